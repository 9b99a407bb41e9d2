// The picture's document as flat arrays, and what follows from them: boxes, sides, ranges, classes, symbols.

import { classAt } from "./raster.js";

/**
 * @typedef {Object} Picture
 * @property {number} count polygons
 * @property {[number, number]} lower
 * @property {[number, number]} upper
 * @property {[string, string]} axes
 * @property {Float64Array} points x and y of the corners of all polygons, anticlockwise, one after the other
 * @property {Uint32Array} starts polygon i has the corners from starts[i] up to starts[i + 1]
 * @property {Uint8Array} layers the hidden layer, from 1, that made the side after each corner; 0 for the box
 * @property {Float64Array} boxes least x, least y, greatest x, greatest y of each polygon
 * @property {Float64Array} decision x and y of both ends of each segment of the decision boundary
 * @property {string[]} patterns hexadecimal digits, a bit for each row; see `symbolsOf`
 * @property {number[]} rowLayers the hidden layer of each row, from 0
 * @property {number[]} rowNeurons the neuron of that layer
 * @property {number} layerCount
 * @property {number} outputs
 * @property {Float64Array} maps a, b and c of a x + b y + c, for each polygon and output
 */

/** The bounding boxes of polygons. */
export function boxesOf(points, starts) {
  const count = starts.length - 1;
  const boxes = new Float64Array(4 * count);
  for (let i = 0; i < count; i += 1) {
    let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let k = starts[i]; k < starts[i + 1]; k += 1) {
      minX = Math.min(minX, points[2 * k]);
      maxX = Math.max(maxX, points[2 * k]);
      minY = Math.min(minY, points[2 * k + 1]);
      maxY = Math.max(maxY, points[2 * k + 1]);
    }
    boxes.set([minX, minY, maxX, maxY], 4 * i);
  }
  return boxes;
}

/** The sides that lie inside the box, each once: ends and layer. The other polygon has it in the other direction. */
export function innerSides({ count, points, starts, layers }) {
  const ends = [];
  const layer = [];
  for (let i = 0; i < count; i += 1) {
    for (let k = starts[i]; k < starts[i + 1]; k += 1) {
      if (layers[k] === 0) continue;
      const next = k + 1 < starts[i + 1] ? k + 1 : starts[i];
      const [ax, ay, bx, by] = [points[2 * k], points[2 * k + 1], points[2 * next], points[2 * next + 1]];
      if (by < ay || (by === ay && bx < ax)) continue;
      ends.push(ax, ay, bx, by);
      layer.push(layers[k]);
    }
  }
  return { ends: Float64Array.from(ends), layer: Uint8Array.from(layer) };
}

/** The least and greatest value of an output on the picture: linear functions have them at corners. */
export function rangeOf({ count, points, starts, maps, outputs }, output) {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < count; i += 1) {
    const at = 3 * (i * outputs + output);
    for (let k = starts[i]; k < starts[i + 1]; k += 1) {
      const value = maps[at] * points[2 * k] + maps[at + 1] * points[2 * k + 1] + maps[at + 2];
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
  }
  return [least, most];
}

/** The class of each polygon all of whose corners have the same one; -1 for the others. */
export function classesOf({ count, points, starts, maps, outputs }) {
  const classes = new Int16Array(count);
  for (let i = 0; i < count; i += 1) {
    const first = classAt(maps, outputs, i, points[2 * starts[i]], points[2 * starts[i] + 1]);
    classes[i] = first;
    for (let k = starts[i] + 1; k < starts[i + 1]; k += 1) {
      if (classAt(maps, outputs, i, points[2 * k], points[2 * k + 1]) !== first) classes[i] = -1;
    }
  }
  return classes;
}

/**
 * The symbols of a polygon's neurons, layer by layer. A neuron has a bit for each of its breakpoints, and its symbol is
 * how many of them are passed; neurons without a breakpoint have none.
 */
export function symbolsOf({ patterns, rowLayers, rowNeurons, layerCount }, polygon) {
  const layers = Array.from({ length: layerCount }, () => new Map());
  rowLayers.forEach((layer, row) => {
    const digit = parseInt(patterns[polygon][row >> 2], 16);
    const bit = (digit >> (3 - (row & 3))) & 1;
    layers[layer].set(rowNeurons[row], (layers[layer].get(rowNeurons[row]) ?? 0) + bit);
  });
  return layers.map((neurons) => [...neurons.values()]);
}

/** The area of a polygon. */
export function areaOf({ points, starts }, polygon) {
  let twice = 0;
  const [x0, y0] = [points[2 * starts[polygon]], points[2 * starts[polygon] + 1]];
  for (let k = starts[polygon] + 1; k + 1 < starts[polygon + 1]; k += 1) {
    twice += (points[2 * k] - x0) * (points[2 * k + 3] - y0) - (points[2 * k + 2] - x0) * (points[2 * k + 1] - y0);
  }
  return twice / 2;
}
