// The service's document of a picture (docs/pictures.md), made into what is drawn.

import { subscript } from "./format.js";
import { boxesOf } from "./picture-data.js";

const PARTS = { plane: 3, line: 2 }; // numbers of an affine map: its slopes and its constant

/** "x[0]" is the first input, x₁. */
function coordinate(name) {
  return name.replace(/\[(\d+)\]/, (_, index) => subscript(Number(index) + 1));
}

/** What pictures of a plane and of a line have in common. */
function common(document) {
  const { regions, outputs, map_of: mapOf, maps: different } = document;
  const size = outputs * PARTS[document.kind];
  const maps = new Float64Array(regions * size);
  for (let i = 0; i < regions; i += 1)
    for (let k = 0; k < size; k += 1) maps[i * size + k] = different[mapOf[i] * size + k];
  return {
    kind: document.kind,
    count: regions,
    lower: document.lower,
    upper: document.upper,
    axes: document.coordinates.map(coordinate),
    patterns: document.patterns,
    rowLayers: document.row_layers,
    rowNeurons: document.row_neurons,
    layerCount: Math.max(0, ...document.row_layers.map((layer) => layer + 1)),
    outputs,
    maps,
  };
}

/** @returns {import("./picture-data.js").Picture} */
export function planeOf(document) {
  const { vertices, rings, rows, row_layers: rowLayers } = document;
  const points = new Float64Array(2 * rings.length);
  rings.forEach((vertex, k) => {
    points[2 * k] = vertices[2 * vertex];
    points[2 * k + 1] = vertices[2 * vertex + 1];
  });
  const starts = Uint32Array.from(document.offsets);
  return {
    ...common(document),
    points,
    starts,
    layers: Uint8Array.from(rows, (row) => (row < 0 ? 0 : Math.min(255, rowLayers[row] + 1))),
    boxes: boxesOf(points, starts),
    decision: Float64Array.from(document.decision),
  };
}

/** The function along a line: its breakpoints, with both ends, and its values there, one list for each output. */
export function lineOf(document) {
  const { positions, values, rows, outputs, row_layers: rowLayers } = document;
  return {
    ...common(document),
    positions,
    layers: rows.map((row) => rowLayers[row] + 1),
    values: Array.from({ length: outputs }, (_, output) => positions.map((_, i) => values[i * outputs + output])),
  };
}
