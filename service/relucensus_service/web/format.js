// Numbers, times and sizes as people read them. Counts may be BigInt: they can be larger than 2^53.

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 12 });
const LONGEST_INTEGER = 15; // digits; longer ones are written as powers of ten
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 12,345 or 1.23 × 10⁴⁵; "—" for what is not known. */
export function integer(value) {
  if (value === null || value === undefined) return "—";
  const digits = typeof value === "bigint" ? value.toString() : String(value);
  if (!/^\d+$/.test(digits)) return typeof value === "number" ? power(value) : digits;
  if (digits.length <= LONGEST_INTEGER) return GROUPED.format(value);
  return `${digits[0]}.${digits.slice(1, 3)} × 10${superscript(digits.length - 1)}`;
}

/** A number that need not be whole, to some four digits. */
export function decimal(value) {
  if (value === null || value === undefined) return "—";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size >= 1e15 || size < 1e-4 ? power(value) : GROUPED.format(Number(value.toPrecision(size >= 1000 ? 6 : 4)));
  return text.replace("-", "−");
}

/** The shortest text that a number of a domain is read back from; a true minus sign for people. */
export function exact(value) {
  return String(value).replace("-", "−");
}

function power(value) {
  const [mantissa, exponent] = value.toExponential(2).split("e");
  return `${mantissa} × 10${superscript(Number(exponent))}`;
}

function superscript(number) {
  const digits = [...String(Math.abs(number))].map((digit) => SUPERSCRIPTS[digit]).join("");
  return number < 0 ? `⁻${digits}` : digits;
}

/** 0.47 s, 12.3 s, 4 min 05 s, 2 h 07 min */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "—";
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${padded(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${padded(Math.floor(whole / 60) % 60)} min`;
}

function padded(number) {
  return String(number).padStart(2, "0");
}

/** 12.3 MB */
export function bytes(size) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = size;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** A moment, near ones by their distance: "4 min ago". */
export function moment(text, now = Date.now()) {
  const time = new Date(text);
  const seconds = (now - time.getTime()) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return time.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** 2 → 16 → 16 → 2: inputs, hidden layers, outputs. */
export function shape(network) {
  return [network.inputs, ...network.hidden, network.outputs].join(" → ");
}

/** one region, 2 regions */
export function plural(number, one, many) {
  return `${integer(number)} ${number == 1 ? one : many}`;
}

/** The beginning of a long name, enough to know it by. */
export function short(text, length = 8) {
  return text.replace("sha256:", "").slice(0, length);
}

/** ₁₂ for 12 */
export function subscript(number) {
  return [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
}
