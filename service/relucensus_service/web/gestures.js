// Moving a map by mouse, touch and keyboard.

const TAP = 6; // pixels that a finger may slip
const STEP = 60; // pixels for an arrow key

/**
 * Let a map be moved on its canvas.
 * @param {import("./region-map.js").RegionMap} map
 */
export function listen(map) {
  const { canvas } = map;
  const held = { pointers: new Map(), slipped: 0 };
  canvas.addEventListener("pointerdown", (event) => down(map, held, event));
  canvas.addEventListener("pointermove", (event) => move(map, held, event));
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => up(map, held, event));
  canvas.addEventListener("pointerleave", () => map.pointAway());
  canvas.addEventListener("wheel", (event) => wheel(map, event), { passive: false });
  canvas.addEventListener("keydown", (event) => key(map, event));
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && map.useKeyboard(true));
  canvas.addEventListener("blur", () => map.useKeyboard(false));
}

function placeOf(map, event) {
  const box = map.canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function down(map, { pointers }, event) {
  map.useKeyboard(false);
  if (event.button !== 0) return;
  map.canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, placeOf(map, event));
  map.canvas.classList.add("held");
}

function move(map, held, event) {
  const place = placeOf(map, event);
  const before = held.pointers.get(event.pointerId);
  if (!before) {
    if (event.pointerType === "mouse") map.pointAt(...place);
    return;
  }
  const other = [...held.pointers].find(([id]) => id !== event.pointerId)?.[1];
  held.pointers.set(event.pointerId, place);
  const [dx, dy] = [place[0] - before[0], place[1] - before[1]];
  if (other) {
    held.slipped = Infinity;
    const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
    map.panBy(dx / 2, dy / 2);
    map.zoomBy(distance(place) / distance(before), (place[0] + other[0]) / 2, (place[1] + other[1]) / 2);
    return;
  }
  held.slipped += Math.hypot(dx, dy);
  if (held.slipped > TAP) map.panBy(dx, dy);
}

function up(map, held, event) {
  if (!held.pointers.delete(event.pointerId)) return;
  const tapped = event.type === "pointerup" && held.slipped <= TAP;
  if (!held.pointers.size) {
    map.canvas.classList.remove("held");
    held.slipped = 0;
  }
  if (tapped) map.pinAt(...placeOf(map, event));
}

/** The wheel looks closer once the picture or its tools were clicked, or with Ctrl; until then it moves the page. */
function wheel(map, event) {
  const used = map.canvas.closest(".picture").contains(document.activeElement);
  if (!event.ctrlKey && !used) return;
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  map.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)), ...placeOf(map, event));
}

function key(map, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    ArrowLeft: () => map.panBy(STEP, 0),
    ArrowRight: () => map.panBy(-STEP, 0),
    ArrowUp: () => map.panBy(0, STEP),
    ArrowDown: () => map.panBy(0, -STEP),
    "+": () => map.zoomBy(1.5),
    "=": () => map.zoomBy(1.5),
    "-": () => map.zoomBy(1 / 1.5),
    0: () => map.reset(),
    Enter: () => map.pin(map.pointed),
    Escape: () => map.pin(null),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
  map.useKeyboard(true);
}
