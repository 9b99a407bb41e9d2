// Convex polygons and lines, drawn into arrays of pixels. Pure arithmetic: no canvas, no document.
//
// A view maps the plane to pixels: px = (x - view.x) * view.scale, py = (view.y - y) * view.scale; view.x is at the
// left end, view.y at the top.

/**
 * Write into `ids`, row by row, which polygon (from 1) has the centre of each pixel; 0 where none does.
 * Neighbours share no pixel and leave none between them.
 * @param {{count: number, points: Float64Array, starts: Uint32Array, boxes: Float64Array}} picture
 */
export function fillIds(picture, view, width, height, ids) {
  const { count, points, starts, boxes } = picture;
  const left = new Float64Array(height);
  const right = new Float64Array(height);
  const maxX = view.x + width / view.scale;
  const minY = view.y - height / view.scale;
  ids.fill(0);
  for (let i = 0; i < count; i += 1) {
    if (boxes[4 * i] > maxX || boxes[4 * i + 2] < view.x || boxes[4 * i + 1] > view.y || boxes[4 * i + 3] < minY)
      continue;
    const top = Math.max(0, Math.ceil((view.y - boxes[4 * i + 3]) * view.scale - 0.5));
    const bottom = Math.min(height, Math.ceil((view.y - boxes[4 * i + 1]) * view.scale - 0.5));
    if (top >= bottom) continue;
    for (let row = top; row < bottom; row += 1) {
      left[row] = Infinity;
      right[row] = -Infinity;
    }
    const begin = starts[i];
    const end = starts[i + 1];
    for (let k = begin; k < end; k += 1)
      spanSide(points, k, k + 1 < end ? k + 1 : begin, view, top, bottom, left, right);
    for (let row = top; row < bottom; row += 1) {
      const from = row * width + Math.max(0, Math.ceil(left[row] - 0.5));
      const to = row * width + Math.min(width, Math.ceil(right[row] - 0.5));
      for (let p = from; p < to; p += 1) ids[p] = i + 1;
    }
  }
}

/** Note where a side crosses the middles of rows of pixels. The same end comes first whichever polygon it is of. */
function spanSide(points, one, other, view, top, bottom, left, right) {
  const down = points[2 * one + 1] > points[2 * other + 1];
  const a = down ? one : other;
  const b = down ? other : one;
  const ax = (points[2 * a] - view.x) * view.scale;
  const ay = (view.y - points[2 * a + 1]) * view.scale;
  const bx = (points[2 * b] - view.x) * view.scale;
  const by = (view.y - points[2 * b + 1]) * view.scale;
  const from = Math.max(top, Math.ceil(ay - 0.5));
  const to = Math.min(bottom, Math.ceil(by - 0.5));
  const slope = (bx - ax) / (by - ay);
  for (let row = from; row < to; row += 1) {
    const x = ax + (row + 0.5 - ay) * slope;
    if (x < left[row]) left[row] = x;
    if (x > right[row]) right[row] = x;
  }
}

/** Colour each pixel by the number of its polygon: `colours[0]` is for none. */
export function paintFlat(ids, colours, pixels) {
  for (let p = 0; p < ids.length; p += 1) pixels[p] = colours[ids[p]];
}

/**
 * Colour each pixel by the value of one output there.
 * @param {Float64Array} maps a, b and c of a x + b y + c, for each polygon and output
 * @param {Uint32Array} scale colours from `range[0]` to `range[1]`
 */
export function paintValues(ids, view, width, { maps, outputs, output, range, scale, ground }, pixels) {
  const last = scale.length - 1;
  const steps = last / (range[1] - range[0] || 1);
  const unit = steps / view.scale;
  for (let p = 0, row = 0; p < ids.length; row += 1) {
    const y = view.y - (row + 0.5) / view.scale;
    let known = 0;
    let slope = 0;
    let start = 0; // of the polygon's map in this row, in steps of the scale, at the left end
    for (let column = 0; column < width; column += 1, p += 1) {
      const id = ids[p];
      if (id === 0) {
        pixels[p] = ground;
        continue;
      }
      if (id !== known) {
        const at = 3 * ((id - 1) * outputs + output);
        slope = maps[at] * unit;
        start = (maps[at] * view.x + maps[at + 1] * y + maps[at + 2] - range[0]) * steps + 0.5 * slope + 0.5;
        known = id;
      }
      const step = start + slope * column;
      pixels[p] = scale[step <= 0 ? 0 : step >= last ? last : step | 0];
    }
  }
}

/** Colour each pixel by the output that is the largest there, or, of one output, by its sign. */
export function paintClasses(ids, view, width, { maps, outputs, classes, colours, ground }, pixels) {
  for (let p = 0, row = 0; p < ids.length; row += 1) {
    const y = view.y - (row + 0.5) / view.scale;
    for (let column = 0; column < width; column += 1, p += 1) {
      const id = ids[p];
      if (id === 0) pixels[p] = ground;
      else if (classes[id - 1] >= 0) pixels[p] = colours[classes[id - 1]];
      else pixels[p] = colours[classAt(maps, outputs, id - 1, view.x + (column + 0.5) / view.scale, y)];
    }
  }
}

/** The number of the largest output at a point of a polygon; of one output, whether it is positive. */
export function classAt(maps, outputs, polygon, x, y) {
  let best = 0;
  let most = -Infinity;
  for (let output = 0; output < outputs; output += 1) {
    const at = 3 * (polygon * outputs + output);
    const value = maps[at] * x + maps[at + 1] * y + maps[at + 2];
    if (outputs === 1) return value > 0 ? 1 : 0;
    if (value > most) [most, best] = [value, output];
  }
  return best;
}

/**
 * Draw a line of some width, its rim smoothed, over the pixels.
 * @param {Uint32Array} pixels ABGR, opaque
 * @param {number} alpha how much of what is under it the line covers, from 0 to 1
 */
export function strokeLine(pixels, width, height, ax, ay, bx, by, colour, thickness, alpha) {
  if (Math.max(ax, bx) < -2 || Math.max(ay, by) < -2 || Math.min(ax, bx) > width + 2 || Math.min(ay, by) > height + 2)
    return;
  if (Math.abs(by - ay) > Math.abs(bx - ax))
    strokeAlong(pixels, ay, ax, by, bx, height, width, width, 1, colour, thickness, alpha);
  else strokeAlong(pixels, ax, ay, bx, by, width, height, 1, width, colour, thickness, alpha);
}

/** The same along the axis on which the line is longer: `step` and `stride` lead to the next pixel on it and across. */
function strokeAlong(pixels, ax, ay, bx, by, long, wide, step, stride, colour, thickness, alpha) {
  const slope = bx === ax ? 0 : (by - ay) / (bx - ax);
  const shrink = 1 / Math.sqrt(1 + slope * slope);
  const half = thickness / 2 + 0.5;
  const reach = half / shrink;
  const least = Math.min(ax, bx);
  const most = Math.max(ax, bx);
  const end = Math.min(long - 1, Math.floor(most));
  const odd = colour & 0xff00ff;
  const green = colour & 0xff00;
  for (let i = Math.max(0, Math.floor(least)); i <= end; i += 1) {
    const middle = ay + (Math.min(Math.max(i + 0.5, least), most) - ax) * slope;
    const last = Math.min(wide - 1, Math.floor(middle + reach));
    for (let j = Math.max(0, Math.floor(middle - reach)); j <= last; j += 1) {
      const share = (256 * alpha * Math.min(1, half - Math.abs(j + 0.5 - middle) * shrink)) | 0;
      if (share <= 0) continue;
      const p = i * step + j * stride;
      const under = pixels[p];
      const mixedOdd = ((under & 0xff00ff) * (256 - share) + odd * share) >>> 8;
      const mixedGreen = ((under & 0xff00) * (256 - share) + green * share) >>> 8;
      pixels[p] = 0xff000000 | (mixedOdd & 0xff00ff) | (mixedGreen & 0xff00);
    }
  }
}
