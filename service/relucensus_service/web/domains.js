// Domains: boxes and slices as values, read from what was typed and told in words.

import { exact } from "./format.js";

/** A mistake in what was typed, and in which field. */
export class Mistake extends Error {
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

/**
 * The numbers in a text, separated by commas, semicolons or space; brackets do not matter.
 * @throws {Mistake} a part is no number
 */
export function numbersIn(text, what, field) {
  const parts = text
    .replace(/[[\](){}]/g, " ")
    .split(/[\s,;]+/)
    .filter(Boolean);
  return parts.map((part, i) => {
    const number = Number(part.replace("−", "-"));
    if (!Number.isFinite(number))
      throw new Mistake(
        `${what}: entry ${i + 1}, “${part.slice(0, 20)}”, is not a number; needed is one like −0.5 or 1e-3`,
        field,
      );
    return number;
  });
}

/** Exactly one number. */
export function numberIn(text, what, field) {
  const numbers = numbersIn(text, what, field);
  if (numbers.length !== 1) throw new Mistake(`${what}: needed is one number, got ${numbers.length || "none"}`, field);
  return numbers[0];
}

/** As many numbers as the network has inputs. */
export function pointIn(text, inputs, what, field) {
  const numbers = numbersIn(text, what, field);
  if (numbers.length !== inputs)
    throw new Mistake(`${what}: got ${numbers.length} numbers; needed are ${inputs}, one for each input`, field);
  return numbers;
}

/** The slice through points: the first at u = 0, the others at the unit vectors. */
export function sliceThrough(points, lower, upper) {
  const [origin, ...others] = points;
  const directions = others.map((point) => point.map((coordinate, i) => coordinate - origin[i]));
  return { kind: "slice", origin, directions, lower, upper };
}

/** A bound for each coordinate. */
export function spread(bound, length) {
  return Array.isArray(bound) ? bound : Array(length).fill(bound);
}

/** The bounds of the coordinates that vary, as pairs. */
export function extents(domain, inputs) {
  const length = domain.kind === "slice" ? domain.directions.length : inputs;
  const lower = spread(domain.lower, length);
  const upper = spread(domain.upper, length);
  return lower.map((low, i) => [low, upper[i]]);
}

/** How many coordinates vary. */
export function dimension(domain, inputs) {
  return extents(domain, inputs).filter(([low, high]) => low < high).length;
}

/** The domain in one line. */
export function inWords(domain, inputs) {
  const pairs = extents(domain, inputs);
  const interval = ([low, high]) => `[${exact(low)}, ${exact(high)}]`;
  const same = pairs.every(([low, high]) => low === pairs[0][0] && high === pairs[0][1]);
  const listed =
    pairs.length > 4 ? `${pairs.slice(0, 3).map(interval).join(" × ")} × …` : pairs.map(interval).join(" × ");
  const box = same && pairs.length > 1 ? `${interval(pairs[0])}${raised(pairs.length)}` : listed;
  if (domain.kind !== "slice") return box;
  const kind = { 1: "a line", 2: "a plane" }[pairs.length] ?? `a slice of ${pairs.length} dimensions`;
  return `${kind} through the inputs, u in ${box}`;
}

function raised(number) {
  return [...String(number)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
}
