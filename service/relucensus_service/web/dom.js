// Elements from descriptions. Text is always text: no markup is ever parsed.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children. `on…` are listeners; false, null and undefined leave an attribute out.
 * @param {string} tag
 * @param {Object<string, any>} attributes
 * @param {...any} children
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(isShown));
  return element;
}

function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

/** Put these in place of everything that an element holds. */
export function refill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(isShown));
}

let numbered = 0;

/** An id that no other element has. */
export function freshId(stem) {
  numbered += 1;
  return `${stem}-${numbered}`;
}

/** Tell those who listen to the page instead of looking at it. */
export function announce(text) {
  const announcer = document.getElementById("announcer");
  if (announcer.textContent !== text) announcer.textContent = text;
}

/** A titled part of the page. */
export function panel(title, attributes, ...children) {
  const id = freshId("panel");
  const { class: extra = "", ...others } = attributes;
  return h(
    "section",
    { class: `panel ${extra}`, "aria-labelledby": id, ...others },
    h("h2", { id }, title),
    ...children,
  );
}

/** A table of names and values. */
export function facts(rows) {
  return h(
    "dl",
    { class: "facts" },
    rows.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** What the reader of a file assumed or left off; nothing if it was nothing. */
export function notesList(notes) {
  if (!notes?.length) return null;
  return h(
    "ul",
    { class: "notes", "aria-label": "Notes of the reader" },
    notes.map((note) => h("li", {}, note)),
  );
}

/** A problem document in words. */
export function problemBox(problem, ...more) {
  const errors = (problem.errors ?? []).filter((entry) => entry.field);
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("strong", {}, problem.title),
    errors.length
      ? h(
          "ul",
          {},
          errors.map((entry) => h("li", {}, h("code", {}, entry.field), " ", entry.message)),
        )
      : problem.detail && h("p", {}, problem.detail),
    ...more,
  );
}

/** A button that can do one thing at a time: while it does, it says so and cannot be pressed. */
export function actionButton(text, busyText, action, attributes = {}) {
  const button = h("button", { type: "button", ...attributes }, text);
  button.addEventListener("click", () => busyWhile(button, busyText, () => action(button)));
  return button;
}

/** Do something while the button is out of use; pressing it meanwhile does nothing. */
export async function busyWhile(button, busyText, action) {
  if (button.getAttribute("aria-disabled") === "true") return;
  const text = button.textContent;
  button.setAttribute("aria-disabled", "true");
  button.textContent = busyText;
  try {
    await action();
  } finally {
    button.removeAttribute("aria-disabled");
    button.textContent = text;
  }
}

/** Ask before something that cannot be taken back. Resolves to whether it was agreed to. */
export function confirmed(question, agree) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      {
        onclose: () => {
          dialog.remove();
          resolve(dialog.returnValue === "yes");
        },
      },
      h("p", {}, question),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, agree),
        h("button", { type: "button", class: "quiet", autofocus: true, onclick: () => dialog.close("no") }, "Keep"),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
