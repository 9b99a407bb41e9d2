// The domain: a box with one bound for all inputs or one for each, or a line or plane through inputs.

import { freshId, h, panel, refill } from "./dom.js";
import { numberIn, numbersIn, pointIn, sliceThrough, spread } from "./domains.js";

const MOST_ROWS = 12; // inputs with a row of fields each; more are given as lists
const KINDS = [
  ["box", "Box"],
  ["each", "Box, input by input"],
  ["line", "Line"],
  ["plane", "Plane"],
];
const POINTS = ["A", "B", "C"];

/** The part of the form for the domain; `read()` gives it as the request has it. */
export function domainForm(onChange) {
  const state = {
    kind: "box",
    inputs: 0,
    texts: new Map([
      ["lower", "-1"],
      ["upper", "1"],
      ["from", "0"],
      ["to", "1"],
    ]),
  };
  const group = freshId("kind");
  const radios = KINDS.map(([value, text]) => {
    const id = freshId("kind");
    const radio = h("input", {
      type: "radio",
      id,
      name: group,
      value,
      checked: value === state.kind,
      onchange: () => choose(value),
    });
    return [radio, h("label", { for: id }, text)];
  });
  const fields = h("div", { class: "domain-fields" });
  const element = panel(
    "Domain",
    { class: "domain" },
    h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, "Kind of domain"), radios),
    fields,
  );
  element.addEventListener("input", onChange);

  function choose(kind) {
    state.kind = kind;
    draw();
    onChange();
  }

  function draw() {
    refill(fields, { box: sameBounds, each: ownBounds, line: () => points(2), plane: () => points(3) }[state.kind]());
  }

  /** A field that keeps its text while others are shown. */
  function field(name, label, { wide = false, placeholder = "", hidden = false } = {}) {
    const id = freshId(name);
    const input = wide
      ? h("textarea", { id, rows: 2, spellcheck: "false", placeholder, "data-name": name })
      : h("input", {
          id,
          type: "text",
          inputmode: "text",
          autocomplete: "off",
          spellcheck: "false",
          placeholder,
          "data-name": name,
        });
    input.value = state.texts.get(name) ?? "";
    input.addEventListener("input", () => state.texts.set(name, input.value));
    return h(
      "div",
      { class: wide ? "field wide" : "field" },
      h("label", { for: id, class: hidden ? "unseen" : false }, label),
      input,
    );
  }

  function sameBounds() {
    const range = h("div", { class: "row" }, field("lower", "Lower bound"), field("upper", "Upper bound"));
    return [range, h("p", { class: "hint" }, "The same for every input.")];
  }

  function ownBounds() {
    const { inputs } = state;
    if (!inputs) return h("p", { class: "hint" }, "Choose a network first.");
    if (inputs > MOST_ROWS) {
      const needed = `${inputs} numbers, with commas`;
      return [
        field("lowers", `Lower bounds: ${needed}, or one for all`, { wide: true }),
        field("uppers", `Upper bounds: ${needed}, or one for all`, { wide: true }),
      ];
    }
    const rows = Array.from({ length: inputs }, (_, i) => {
      for (const side of ["lower", "upper"])
        if (!state.texts.has(side + i)) state.texts.set(side + i, state.texts.get(side));
      return h(
        "div",
        { class: "bounds-row" },
        h("span", { class: "name", "aria-hidden": "true" }, `x${i + 1}`),
        field(`lower${i}`, `x${i + 1}: lower bound`, { hidden: true }),
        h("span", { "aria-hidden": "true" }, "to"),
        field(`upper${i}`, `x${i + 1}: upper bound`, { hidden: true }),
      );
    });
    return [...rows, h("p", { class: "hint" }, "Equal bounds fix an input.")];
  }

  function points(count) {
    const { inputs } = state;
    const hint = inputs ? `${inputs} numbers` : "one number for each input";
    const formula = count === 2 ? "x = A + u (B − A)" : "x = A + u₁ (B − A) + u₂ (C − A)";
    return [
      POINTS.slice(0, count).map((name) =>
        field(name, `Point ${name}: ${hint}`, { wide: true, placeholder: "0, 0.5, …" }),
      ),
      h("div", { class: "row" }, field("from", "u from"), field("to", "u to")),
      h(
        "p",
        { class: "hint" },
        h("span", { class: "math" }, formula),
        "; u is 0 at A and 1 at ",
        count === 2 ? "B." : "B and C.",
      ),
    ];
  }

  function read() {
    const { inputs, kind, texts } = state;
    const text = (name) => texts.get(name) ?? "";
    if (kind === "box") {
      return {
        kind: "box",
        lower: numberIn(text("lower"), "Lower bound", "lower"),
        upper: numberIn(text("upper"), "Upper bound", "upper"),
      };
    }
    if (kind === "each") return { kind: "box", lower: bounds("lower"), upper: bounds("upper") };
    const names = POINTS.slice(0, kind === "line" ? 2 : 3);
    const ends = names.map((name) => pointIn(text(name), inputs, `Point ${name}`, name));
    return sliceThrough(ends, numberIn(text("from"), "u from", "from"), numberIn(text("to"), "u to", "to"));
  }

  function bounds(side) {
    const { inputs, texts } = state;
    const title = `${side[0].toUpperCase()}${side.slice(1)} bounds`;
    if (inputs <= MOST_ROWS)
      return Array.from({ length: inputs }, (_, i) =>
        numberIn(texts.get(side + i) ?? "", `x${i + 1}, ${side} bound`, side + i),
      );
    const numbers = numbersIn(texts.get(`${side}s`) ?? "", title, `${side}s`);
    return numbers.length === 1 ? numbers[0] : pointIn(texts.get(`${side}s`), inputs, title, `${side}s`);
  }

  /** Show a domain of an earlier request. */
  function fill(domain, inputs) {
    state.inputs = inputs;
    const { texts } = state;
    if (
      domain.kind === "slice" &&
      domain.directions.length <= 2 &&
      !Array.isArray(domain.lower) &&
      !Array.isArray(domain.upper)
    ) {
      const ends = [
        domain.origin,
        ...domain.directions.map((direction) => direction.map((step, i) => step + domain.origin[i])),
      ];
      ends.forEach((point, i) => texts.set(POINTS[i], point.join(", ")));
      texts.set("from", String(domain.lower)).set("to", String(domain.upper));
      state.kind = domain.directions.length === 1 ? "line" : "plane";
    } else if (domain.kind !== "slice" && !Array.isArray(domain.lower) && !Array.isArray(domain.upper)) {
      texts.set("lower", String(domain.lower)).set("upper", String(domain.upper));
      state.kind = "box";
    } else if (domain.kind !== "slice") {
      for (const side of ["lower", "upper"]) {
        const own = spread(domain[side], inputs);
        texts.set(`${side}s`, own.join(", "));
        own.forEach((bound, i) => texts.set(side + i, String(bound)));
      }
      state.kind = "each";
    }
    for (const [radio] of radios) radio.checked = radio.value === state.kind;
    draw();
  }

  /** Point out a field with a mistake. */
  function point(name) {
    for (const input of element.querySelectorAll("[data-name]")) {
      const wrong = input.dataset.name === name;
      if (wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      if (wrong) input.focus();
    }
  }

  draw();
  return {
    element,
    read,
    fill,
    point,
    useInputs(inputs) {
      state.inputs = inputs;
      draw();
    },
  };
}
