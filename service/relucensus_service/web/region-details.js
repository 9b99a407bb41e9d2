// What is told of a region: its pattern, its affine map, its share of the area.

import { h, s } from "./dom.js";
import { decimal, integer, plural, subscript } from "./format.js";
import { areaOf, symbolsOf } from "./picture-data.js";

const MOST_OUTPUTS = 6; // affine maps told of a region

/** What is known of the region that is pointed at. */
export function describe(map, polygon, at) {
  const { picture } = map;
  const shown = map.pinned ?? polygon;
  if (shown === null)
    return [
      h("h3", {}, plural(picture.count, "region", "regions")),
      h("p", { class: "hint" }, "Point at one, or tap it, to see its pattern and affine map."),
    ];
  const share =
    areaOf(picture, shown) / ((picture.upper[0] - picture.lower[0]) * (picture.upper[1] - picture.lower[1]));
  const corners = picture.starts[shown + 1] - picture.starts[shown];
  return [
    h(
      "h3",
      {},
      `Region ${integer(shown + 1)}`,
      h("span", { class: "hint" }, ` of ${integer(picture.count)}`),
      map.pinned !== null && h("span", { class: "status exact" }, "kept"),
    ),
    h(
      "p",
      { class: "hint" },
      map.pinned !== null ? "Click it again, or press Escape, to let it go." : at && placed(picture, at),
    ),
    patternOf(picture, shown),
    picture.outputs > 0 && affineMap(picture, shown),
    h("p", { class: "hint" }, `${corners} corners, ${decimal(100 * share)} % of the area`),
  ];
}

function placed({ axes }, [x, y]) {
  return `${axes[0]} = ${decimal(x)}, ${axes[1]} = ${decimal(y)}`;
}

/** A square for each neuron, layer by layer: full where it is active, or past a breakpoint. */
function patternOf(picture, polygon) {
  const rows = symbolsOf(picture, polygon).map((symbols, i) => {
    const active = symbols.filter((symbol) => symbol > 0).length;
    return h(
      "li",
      {},
      h("span", {}, `layer ${i + 1}`),
      squares(symbols),
      h("span", { class: "hint" }, `${active} of ${symbols.length} active`),
    );
  });
  return h("ol", { class: "pattern", "aria-label": "Activation pattern" }, rows);
}

function squares(symbols) {
  const [size, across] = [9, 16];
  const path = (wanted) =>
    symbols
      .map((symbol, i) =>
        symbol > 0 === wanted ? `M${(i % across) * size + 1} ${Math.floor(i / across) * size + 1}h6v6h-6z` : "",
      )
      .join("");
  const [width, height] = [Math.min(across, symbols.length) * size, Math.ceil(symbols.length / across) * size];
  return s(
    "svg",
    { class: "squares", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": symbols.join("") },
    s("path", { class: "on", d: path(true) }),
    s("path", { class: "off", d: path(false) }),
  );
}

function affineMap({ maps, outputs, axes }, polygon) {
  const rows = Array.from({ length: Math.min(outputs, MOST_OUTPUTS) }, (_, output) => {
    const [a, b, c] = maps.subarray(3 * (polygon * outputs + output), 3 * (polygon * outputs + output) + 3);
    return h(
      "li",
      { class: "math" },
      `y${subscript(output + 1)} = ${term(a, axes[0], true)}${term(b, axes[1])}${term(c, "")}`,
    );
  });
  return h(
    "ul",
    { class: "map-rows", "aria-label": "Affine map" },
    rows,
    outputs > MOST_OUTPUTS && h("li", { class: "hint" }, `and ${outputs - MOST_OUTPUTS} more`),
  );
}

function term(factor, name, first = false) {
  const sign = factor < 0 ? (first ? "−" : " − ") : first ? "" : " + ";
  return `${sign}${decimal(Math.abs(factor))}${name ? ` ${name}` : ""}`;
}
