// Colours of the picture, light and dark. Pixels are ABGR, as they lie in a canvas.

const GOLDEN = 137.508;

/** A colour as one number for a pixel. */
export function packed([red, green, blue]) {
  return ((255 << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)) >>> 0;
}

function hex(text) {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

function fromHsl(hue, saturation, lightness) {
  const part = (shift) => {
    const k = (shift + hue / 30) % 12;
    return (
      255 * (lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(k - 3, 9 - k, 1)))
    );
  };
  return [part(0), part(8), part(4)];
}

const LIGHT = {
  ground: "#eef1f2",
  edge: "#3a4a55",
  highlight: "#c2410c",
  boundary: "#111827",
  paper: "#f7f8f7",
  layers: ["#0f6b75", "#c2700a", "#7b3fa0", "#b3261e", "#3d7a2a", "#2456a6", "#8a5a3c", "#5c6770"],
  classes: [
    "#bcd8de",
    "#f3d3a8",
    "#d5c5e6",
    "#cfe0bd",
    "#f0c2bc",
    "#c4cfe8",
    "#e4d7c4",
    "#d2d6d9",
    "#e8e2a6",
    "#bfe3d2",
  ],
  values: ["#1f5f99", "#8db9d8", "#f4f2ec", "#eeb380", "#b4501a"],
};

const DARK = {
  ground: "#12181c",
  edge: "#93a4ad",
  highlight: "#fdba74",
  boundary: "#f8fafc",
  paper: "#1b2328",
  layers: ["#4fc3c9", "#f0a94b", "#c39be0", "#f08a80", "#93c572", "#86aef0", "#cfa384", "#a9b4bb"],
  classes: [
    "#24505a",
    "#6b4a1f",
    "#4b3a5f",
    "#3b5230",
    "#643732",
    "#33456b",
    "#524536",
    "#444c52",
    "#5a5526",
    "#275746",
  ],
  values: ["#62a8e0", "#2f5f86", "#1d262b", "#8a5526", "#f0a25c"],
};

/** The colours of a theme, ready to be drawn with. */
export function palette(dark) {
  const named = dark ? DARK : LIGHT;
  return {
    dark,
    named,
    ground: packed(hex(named.ground)),
    edge: packed(hex(named.edge)),
    paper: packed(hex(named.paper)),
    boundary: packed(hex(named.boundary)),
    layers: named.layers.map((text) => packed(hex(text))),
    classes: named.classes.map((text) => packed(hex(text))),
  };
}

/** A quiet colour for each region, the same for the same pattern; neighbours differ since one symbol of theirs does. */
export function regionColours(patterns, { dark, ground }) {
  const colours = new Uint32Array(patterns.length + 1);
  colours[0] = ground;
  for (let i = 0; i < patterns.length; i += 1) {
    const mixed = hash(patterns[i]);
    const light = ((mixed >>> 16) % 5) * 0.025;
    const hue = ((mixed % 360) * GOLDEN) % 360;
    colours[i + 1] = packed(dark ? fromHsl(hue, 0.24, 0.2 + light) : fromHsl(hue, 0.3, 0.82 + light));
  }
  return colours;
}

function hash(text) {
  let mixed = 2166136261;
  for (let i = 0; i < text.length; i += 1) mixed = Math.imul(mixed ^ text.charCodeAt(i), 16777619);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

/** One colour for all regions. */
export function plainColours(count, { ground, paper }) {
  const colours = new Uint32Array(count + 1).fill(paper);
  colours[0] = ground;
  return colours;
}

/** Colours between the least and the greatest value; the middle one is zero if it lies between. */
export function valueScale({ named }, steps = 256) {
  const stops = named.values.map(hex);
  return Uint32Array.from({ length: steps }, (_, i) => {
    const place = (i / (steps - 1)) * (stops.length - 1);
    const under = Math.min(stops.length - 2, Math.floor(place));
    return packed(stops[under].map((part, channel) => part + (place - under) * (stops[under + 1][channel] - part)));
  });
}

/** The range that a scale spans: symmetric about zero if values of both signs occur. */
export function spannedRange([least, most]) {
  if (least >= 0 || most <= 0) return [least, most];
  const size = Math.max(-least, most);
  return [-size, size];
}
