// The picture on a canvas: draws what a view shows, and moves the view by mouse, touch and keyboard.

import { palette, plainColours, regionColours, spannedRange, valueScale } from "./colours.js";
import { listen } from "./gestures.js";
import { classesOf, innerSides, rangeOf } from "./picture-data.js";
import { fillIds, paintClasses, paintFlat, paintValues, strokeLine } from "./raster.js";

const MARGIN = 12; // pixels around the whole picture
const MOST_PIXELS = 2_400_000; // of the canvas; beyond, its pixels are larger than the screen's
const SMOOTH = 40; // milliseconds a frame may take while the view moves
const DEEPEST = 1e6; // times the whole picture

/**
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLCanvasElement} overlay lies above it: what is pointed at
 * @param {import("./picture-data.js").Picture} picture
 * @param {{onPoint: Function, onView: Function}} told polygon (or null) and place pointed at; what is seen
 */
export class RegionMap {
  constructor(canvas, overlay, picture, { onPoint, onView }) {
    Object.assign(this, { canvas, overlay, picture, onPoint, onView });
    this.sides = innerSides(picture);
    this.colouring = { by: "region", output: 0 };
    this.withEdges = true;
    this.withBoundary = false;
    this.pinned = null;
    this.pointed = null;
    this.byKeyboard = false;
    this.moving = false;
    this.slowest = 0;
    this.followTheme();
    listen(this);
    this.resized = new ResizeObserver(() => this.measure());
    this.resized.observe(canvas);
    this.measure();
  }

  /** Take no more part. */
  end() {
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
  }

  followTheme() {
    const chosen = document.documentElement.dataset.theme;
    const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    this.palette = palette(dark);
    this.regionColours = null;
    this.redraw();
  }

  /** What the colours of the regions say. */
  colourBy(by, output = 0) {
    this.colouring = { by, output };
    this.redraw();
  }

  show({ edges = this.withEdges, boundary = this.withBoundary }) {
    this.withEdges = edges;
    this.withBoundary = boundary;
    this.redraw();
  }

  measure() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const seen = this.view && {
      x: this.view.x + this.width / 2 / this.view.scale,
      y: this.view.y - this.height / 2 / this.view.scale,
    };
    const whole = this.view && Math.abs(this.view.scale / this.fitting() - 1) < 1e-9;
    Object.assign(this, { width, height });
    if (!this.view || whole) this.reset();
    else this.look(seen.x - width / 2 / this.view.scale, seen.y + height / 2 / this.view.scale, this.view.scale);
  }

  fitting() {
    const { lower, upper } = this.picture;
    return Math.min(
      (this.width - 2 * MARGIN) / (upper[0] - lower[0]),
      (this.height - 2 * MARGIN) / (upper[1] - lower[1]),
    );
  }

  /** See the whole picture. */
  reset() {
    const { lower, upper } = this.picture;
    const scale = this.fitting();
    this.look(
      (lower[0] + upper[0]) / 2 - this.width / 2 / scale,
      (lower[1] + upper[1]) / 2 + this.height / 2 / scale,
      scale,
    );
  }

  /** See the plane from here (the upper left corner), with so many pixels to a unit. The middle stays on the picture. */
  look(x, y, scale) {
    const { lower, upper } = this.picture;
    const [halfX, halfY] = [this.width / 2 / scale, this.height / 2 / scale];
    this.view = {
      x: Math.min(Math.max(x + halfX, lower[0]), upper[0]) - halfX,
      y: Math.min(Math.max(y - halfY, lower[1]), upper[1]) + halfY,
      scale,
    };
    this.redraw();
    this.onView(this.view, scale / this.fitting());
  }

  panBy(dx, dy) {
    this.look(this.view.x - dx / this.view.scale, this.view.y + dy / this.view.scale, this.view.scale);
    this.afterMoving();
  }

  /** Look closer, with the place at these pixels staying where it is. */
  zoomBy(factor, px = this.width / 2, py = this.height / 2) {
    const least = this.fitting() * 0.8;
    const scale = Math.min(Math.max(this.view.scale * factor, least), this.fitting() * DEEPEST);
    const [x, y] = [this.view.x + px / this.view.scale, this.view.y - py / this.view.scale];
    this.look(x - px / scale, y + py / scale, scale);
    this.afterMoving();
  }

  afterMoving() {
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      if (this.drawnCoarse) this.redraw();
    }, 120);
  }

  redraw() {
    if (this.frame || !this.view) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    const began = performance.now();
    const coarse = this.moving && this.slowest > SMOOTH;
    const finest = Math.sqrt(MOST_PIXELS / (this.width * this.height));
    const ratio = coarse ? Math.min(1, finest) / 2 : Math.min(devicePixelRatio || 1, 2, finest);
    this.prepare(Math.round(this.width * ratio), Math.round(this.height * ratio));
    const { columns, rows, ids } = this;
    const view = { x: this.view.x, y: this.view.y, scale: this.view.scale * (columns / this.width) };
    fillIds(this.picture, view, columns, rows, ids);
    this.paint(view);
    this.drawLines(view, ratio);
    this.context.putImageData(this.image, 0, 0);
    this.drawnCoarse = coarse;
    this.milliseconds = performance.now() - began;
    if (!coarse) this.slowest = this.milliseconds;
    this.canvas.dataset.milliseconds = this.milliseconds.toFixed(1);
    this.canvas.dataset.drawn = String(Number(this.canvas.dataset.drawn ?? 0) + 1);
    this.mark();
  }

  prepare(columns, rows) {
    if (this.columns === columns && this.rows === rows) return;
    Object.assign(this, { columns, rows });
    this.canvas.width = columns;
    this.canvas.height = rows;
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.image = this.context.createImageData(columns, rows);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.ids = new Int32Array(columns * rows);
  }

  paint(view) {
    const { picture, ids, pixels, columns, colouring } = this;
    const { ground } = this.palette;
    if (colouring.by === "output") {
      const range = spannedRange(this.range(colouring.output));
      paintValues(
        ids,
        view,
        columns,
        { ...picture, output: colouring.output, range, scale: valueScale(this.palette), ground },
        pixels,
      );
    } else if (colouring.by === "class") {
      paintClasses(
        ids,
        view,
        columns,
        { ...picture, classes: this.classes, colours: this.palette.classes, ground },
        pixels,
      );
    } else if (colouring.by === "layer") {
      paintFlat(ids, plainColours(picture.count, this.palette), pixels);
    } else {
      this.regionColours ??= regionColours(picture.patterns, this.palette);
      paintFlat(ids, this.regionColours, pixels);
    }
  }

  range(output) {
    this.ranges ??= new Map();
    if (!this.ranges.has(output)) this.ranges.set(output, rangeOf(this.picture, output));
    return this.ranges.get(output);
  }

  get classes() {
    this.knownClasses ??= classesOf(this.picture);
    return this.knownClasses;
  }

  drawLines(view, ratio) {
    const byLayer = this.colouring.by === "layer";
    const { edge, boundary, layers } = this.palette;
    if (this.withEdges || byLayer) {
      const { lower, upper } = this.picture;
      const size = view.scale * Math.sqrt(((upper[0] - lower[0]) * (upper[1] - lower[1])) / this.picture.count);
      const alpha = Math.min(byLayer ? 0.95 : 0.62, 0.1 + size / ((byLayer ? 12 : 26) * ratio));
      const thickness = (byLayer ? 1.3 : 0.9) * Math.max(1, 0.8 * ratio);
      this.stroke(
        this.sides.ends,
        byLayer ? this.sides.layer : null,
        byLayer ? layers : [edge],
        view,
        thickness,
        alpha,
      );
    }
    if (this.withBoundary) this.stroke(this.picture.decision, null, [boundary], view, 2.4 * ratio, 0.95);
  }

  /** Draw lines; `numbers` says which of the colours each has, from 1. */
  stroke(ends, numbers, colours, { x, y, scale }, thickness, alpha) {
    const { pixels, columns, rows } = this;
    for (let i = 0; i < ends.length; i += 4) {
      const colour = numbers ? colours[(numbers[i / 4] - 1) % colours.length] : colours[0];
      strokeLine(
        pixels,
        columns,
        rows,
        (ends[i] - x) * scale,
        (y - ends[i + 1]) * scale,
        (ends[i + 2] - x) * scale,
        (y - ends[i + 3]) * scale,
        colour,
        thickness,
        alpha,
      );
    }
  }

  /** The polygon at these pixels, or null. */
  polygonAt(px, py) {
    const column = Math.floor((px * this.columns) / this.width);
    const row = Math.floor((py * this.rows) / this.height);
    if (column < 0 || row < 0 || column >= this.columns || row >= this.rows) return null;
    return this.ids[row * this.columns + column] - 1 >= 0 ? this.ids[row * this.columns + column] - 1 : null;
  }

  pointAt(px, py) {
    const place = [this.view.x + px / this.view.scale, this.view.y - py / this.view.scale];
    const polygon = this.polygonAt(px, py);
    this.pointed = polygon;
    this.mark();
    this.onPoint(polygon, place);
  }

  pointAtMiddle() {
    this.pointAt(this.width / 2, this.height / 2);
  }

  /** Draw the rim of what is pointed at, and for the keyboard the place that is. */
  mark() {
    const { overlay, picture, view } = this;
    if (!view) return;
    const ratio = devicePixelRatio || 1;
    overlay.width = Math.round(this.width * ratio);
    overlay.height = Math.round(this.height * ratio);
    const context = overlay.getContext("2d");
    context.scale(ratio, ratio);
    context.strokeStyle = this.palette.named.highlight;
    context.lineWidth = 2;
    context.lineJoin = "round";
    const polygon = this.pinned ?? this.pointed;
    if (polygon !== null) {
      context.beginPath();
      for (let k = picture.starts[polygon]; k < picture.starts[polygon + 1]; k += 1) {
        context.lineTo(
          (picture.points[2 * k] - view.x) * view.scale,
          (view.y - picture.points[2 * k + 1]) * view.scale,
        );
      }
      context.closePath();
      context.stroke();
    }
    if (this.byKeyboard) {
      const [x, y] = [Math.round(this.width / 2), Math.round(this.height / 2)];
      context.beginPath();
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ]) {
        context.moveTo(x + 4 * dx, y + 4 * dy);
        context.lineTo(x + 12 * dx, y + 12 * dy);
      }
      context.stroke();
    }
  }

  /** Keep a region in sight, whatever is pointed at; the same again, or null, lets it go. */
  pin(polygon) {
    this.pinned = polygon === this.pinned ? null : polygon;
    this.mark();
    this.onPoint(this.pointed, null);
  }

  pinAt(px, py) {
    this.pin(this.polygonAt(px, py));
    this.pointAt(px, py);
  }

  /** Point at nothing. */
  pointAway() {
    if (this.byKeyboard) return;
    this.pointed = null;
    this.mark();
    this.onPoint(null, null);
  }

  /** While the keyboard is used, the middle is pointed at. */
  useKeyboard(used) {
    this.byKeyboard = used;
    if (used && this.ids) requestAnimationFrame(() => this.pointAtMiddle());
    else this.mark();
  }
}
