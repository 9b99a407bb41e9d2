// The function along a line: its values, bent at the breakpoints.

import { h, s } from "./dom.js";
import { decimal, plural, subscript } from "./format.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [900, 320, 64, 44, 12];
const MOST_CURVES = 10;

/** A chart of up to ten outputs, with a tick for each breakpoint in the colour of its layer. */
export function lineChart({ count, positions, values, layers, layerCount, axes, outputs }) {
  const [first, last] = [positions[0], positions.at(-1)];
  const curves = values.slice(0, MOST_CURVES);
  const all = curves.flat();
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const x = (t) => LEFT + ((WIDTH - LEFT - 12) * (t - first)) / (last - first || 1);
  const y = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (most - value)) / (most - least || 1);
  const ticks = positions.slice(1, -1).map((t, i) =>
    s(
      "line",
      {
        class: `tick layer-${(layers[i] - 1) % 8}`,
        x1: x(t),
        x2: x(t),
        y1: HEIGHT - BOTTOM + 4,
        y2: HEIGHT - BOTTOM + 16,
      },
      s("title", {}, `${axes[0]} = ${decimal(t)}, layer ${layers[i]}`),
    ),
  );
  const lines = curves.map((curve, i) =>
    s("polyline", {
      class: `curve layer-${i % 8}`,
      points: curve.map((value, k) => `${x(positions[k]).toFixed(2)},${y(value).toFixed(2)}`).join(" "),
    }),
  );
  const label = (text, at, side) => s("text", { ...at, class: "label", "text-anchor": side }, text);
  return [
    s(
      "svg",
      {
        class: "line-chart",
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        role: "img",
        "aria-label": `The outputs along the line, with ${plural(count, "region", "regions")}`,
      },
      s("path", { class: "frame", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - 12}` }),
      lines,
      ticks,
      label(decimal(most), { x: LEFT - 8, y: TOP + 10 }, "end"),
      label(decimal(least), { x: LEFT - 8, y: HEIGHT - BOTTOM }, "end"),
      label(decimal(first), { x: LEFT, y: HEIGHT - 8 }, "start"),
      label(decimal(last), { x: WIDTH - 12, y: HEIGHT - 8 }, "end"),
      label(axes[0], { x: (WIDTH + LEFT) / 2, y: HEIGHT - 8 }, "middle"),
    ),
    h(
      "ul",
      { class: "chart-keys" },
      curves.map((_, i) => h("li", { class: `layer-${i % 8}` }, `y${subscript(i + 1)}`)),
      outputs > MOST_CURVES && h("li", { class: "hint" }, `and ${outputs - MOST_CURVES} more`),
    ),
    h(
      "p",
      { class: "hint" },
      `${plural(count, "region", "regions")}: between two ticks every neuron keeps its symbol. A tick has the colour of the layer that bends there, of ${layerCount}.`,
    ),
  ];
}
