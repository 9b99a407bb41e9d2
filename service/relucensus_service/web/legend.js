// What the colours of a picture mean.

import { freshId, h, refill, s } from "./dom.js";
import { decimal, subscript } from "./format.js";

/** What the colours mean. */
export function legendOf(picture) {
  const legend = h("div", { class: "legend" });
  const swatch = (colour, kind) =>
    s(
      "svg",
      { class: "swatch", viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" },
      kind === "line"
        ? s("path", { d: "M0 7h14", stroke: colour, "stroke-width": 3 })
        : s("rect", { width: 14, height: 14, rx: 3, fill: colour }),
    );
  const entry = (colour, text, kind = "area") => h("li", {}, swatch(colour, kind), text);
  const explain = (map) => {
    const { by, output } = map.colouring;
    const { named } = map.palette;
    if (by === "layer")
      refill(
        legend,
        h("p", { class: "hint" }, "Edges by the layer that made them"),
        h(
          "ul",
          {},
          Array.from({ length: picture.layerCount }, (_, i) =>
            entry(named.layers[i % named.layers.length], `layer ${i + 1}`, "line"),
          ),
        ),
      );
    else if (by === "class")
      refill(
        legend,
        h("p", { class: "hint" }, picture.outputs > 1 ? "The largest output" : "The sign of the output"),
        h(
          "ul",
          {},
          classNames(picture).map((name, i) => entry(named.classes[i % named.classes.length], name)),
        ),
      );
    else if (by === "output") refill(legend, valueLegend(map, output, named));
    else refill(legend, h("p", { class: "hint" }, "One colour a region; it says nothing else."));
  };
  return { legend, explain };
}

function classNames({ outputs }) {
  return outputs === 1 ? ["y ≤ 0", "y > 0"] : Array.from({ length: outputs }, (_, i) => `y${subscript(i + 1)}`);
}

function valueLegend(map, output, named) {
  const [least, most] = map.range(output);
  const id = freshId("gradient");
  const stops = named.values.map((colour, i) =>
    s("stop", { offset: i / (named.values.length - 1), "stop-color": colour }),
  );
  const bar = s(
    "svg",
    { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("defs", {}, s("linearGradient", { id }, stops)),
    s("rect", { width: 100, height: 8, fill: `url(#${id})` }),
  );
  const size = Math.max(-least, most);
  const [from, to] = least < 0 && most > 0 ? [-size, size] : [least, most];
  return [
    h("p", { class: "hint" }, `The value of y${subscript(output + 1)}, from ${decimal(least)} to ${decimal(most)}`),
    bar,
    h("p", { class: "ends" }, h("span", {}, decimal(from)), h("span", {}, decimal(to))),
  ];
}
