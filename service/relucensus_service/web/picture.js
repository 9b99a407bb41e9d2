// The panel of the picture: fetches it, offers the ways to look at it, tells what is pointed at.

import { Problem, asked } from "./api.js";
import { actionButton, freshId, h, panel, problemBox, refill } from "./dom.js";
import { decimal, plural, subscript } from "./format.js";
import { legendOf } from "./legend.js";
import { lineChart } from "./line-chart.js";
import { lineOf, planeOf } from "./picture-document.js";
import { describe } from "./region-details.js";
import { RegionMap } from "./region-map.js";

const DRAWN_UNASKED = 50_000; // regions; a larger picture takes a while and is drawn when asked for

/** The panel; the picture comes into it by itself, or when asked for. */
export function picturePanel(job, signal) {
  const place = h("div", {});
  const element = panel("The regions", { class: "picture" }, place);
  const regions = job.result.counts.activation_regions?.value ?? 0;
  const load = async () => {
    refill(place, h("p", { class: "loading" }, "Drawing the picture…"));
    try {
      const document = await asked(`count/${job.id}/picture?format=json`, { signal, cache: "default" });
      if (signal.aborted) return;
      if (document.kind === "plane") draw(place, planeOf(document), signal);
      else refill(place, lineChart(lineOf(document)));
    } catch (error) {
      if (signal.aborted) return;
      const problem =
        error instanceof Problem
          ? error
          : new Problem({ title: "The picture could not be drawn", detail: error.message });
      refill(place, problemBox(problem, actionButton("Try again", "Drawing…", load)));
    }
  };
  if (regions <= DRAWN_UNASKED) load();
  else
    refill(
      place,
      actionButton(`Draw the picture of ${plural(regions, "region", "regions")}`, "Drawing…", load, {
        class: "primary",
      }),
    );
  return element;
}

function draw(place, picture, signal) {
  const hintId = freshId("picture");
  const canvas = h("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "zoomable picture",
    "aria-label": `Picture of ${plural(picture.count, "region", "regions")}`,
    "aria-describedby": hintId,
    class: "map",
  });
  const overlay = h("canvas", { class: "overlay", "aria-hidden": "true" });
  const details = h("div", { class: "details", "aria-live": "polite" });
  const scale = h("p", { class: "seen" });
  const { legend, explain } = legendOf(picture);
  const map = new RegionMap(canvas, overlay, picture, {
    onPoint: (polygon, at) => refill(details, describe(map, polygon, at)),
    onView: (view, zoom) => (scale.textContent = seen(canvas, picture, view, zoom)),
  });
  const tools = toolbar(map, picture, explain);
  refill(
    place,
    tools,
    h(
      "div",
      { class: "map-and-details" },
      h(
        "div",
        { class: "map-frame" },
        canvas,
        overlay,
        h("span", { class: "axis x", "aria-hidden": "true" }, picture.axes[0]),
        h("span", { class: "axis y", "aria-hidden": "true" }, picture.axes[1]),
      ),
      h("div", { class: "beside" }, legend, details),
    ),
    scale,
    h(
      "p",
      { class: "hint", id: hintId },
      "Drag to move, pinch or scroll (after a click, or with Ctrl) to look closer, click a region to keep it. Keys: arrows, + and −, 0 for all, Enter to keep the region in the middle.",
    ),
  );
  refill(details, describe(map, null));
  explain(map);
  const themed = () => {
    map.followTheme();
    explain(map);
  };
  window.addEventListener("theme-changed", themed, { signal });
  signal.addEventListener("abort", () => map.end());
}

function toolbar(map, picture, explain) {
  const choices = [
    ["region", "Region"],
    picture.outputs && ["output", "Output"],
    picture.outputs && ["class", picture.outputs > 1 ? "Class" : "Sign"],
    ["layer", "Layer"],
  ].filter(Boolean);
  const group = freshId("colour");
  const outputId = freshId("output");
  const output = h(
    "select",
    { id: outputId, onchange: () => apply("output") },
    Array.from({ length: picture.outputs }, (_, i) => h("option", { value: i }, `y${subscript(i + 1)}`)),
  );
  const outputPart = h(
    "span",
    { class: "row", hidden: true },
    h("label", { for: outputId, class: "unseen" }, "Output"),
    output,
  );
  const apply = (by) => {
    outputPart.hidden = by !== "output" || picture.outputs < 2;
    map.colourBy(by, Number(output.value || 0));
    explain(map);
  };
  const radios = choices.map(([value, text]) => {
    const id = freshId("by");
    return [
      h("input", { type: "radio", name: group, id, value, checked: value === "region", onchange: () => apply(value) }),
      h("label", { for: id }, text),
    ];
  });
  const toggle = (text, checked, onChange) => {
    const id = freshId("toggle");
    return h(
      "span",
      { class: "check inline" },
      h("input", { type: "checkbox", id, checked, onchange: (event) => onChange(event.target.checked) }),
      h("label", { for: id }, text),
    );
  };
  return h(
    "div",
    { class: "map-tools" },
    h("fieldset", { class: "segments" }, h("legend", {}, "Colour by"), radios),
    outputPart,
    toggle("Edges", true, (edges) => map.show({ edges })),
    picture.outputs > 0 && toggle("Decision boundary", false, (boundary) => map.show({ boundary })),
    h(
      "span",
      { class: "zoom" },
      h("button", { type: "button", "aria-label": "Look closer", onclick: () => map.zoomBy(1.5) }, "+"),
      h("button", { type: "button", "aria-label": "Step back", onclick: () => map.zoomBy(1 / 1.5) }, "−"),
      h("button", { type: "button", onclick: () => map.reset() }, "All"),
    ),
  );
}

function seen(canvas, { axes }, view, zoom) {
  const range = (least, size) => `${decimal(least)} … ${decimal(least + size)}`;
  const [width, height] = [canvas.clientWidth / view.scale, canvas.clientHeight / view.scale];
  return `${axes[0]} ${range(view.x, width)}   ${axes[1]} ${range(view.y - height, height)}   ${decimal(zoom)}×`;
}
