// Choosing a model file: drop or pick it, send it, show what was read.

import { Problem, uploaded } from "./api.js";
import { announce, facts, freshId, h, panel, problemBox, refill } from "./dom.js";
import { bytes, integer, shape, short } from "./format.js";
import { ACTIVATIONS, FORMATS } from "./words.js";

/**
 * The part of the form for the model.
 * @param {(model: Object|null) => void} onModel is told what was read, or that there is nothing yet
 */
export function modelForm(onModel, signal) {
  const state = { file: null, model: null, sending: null };
  const fieldId = freshId("file");
  const picker = h("input", { id: fieldId, type: "file", class: "unseen", accept: ".onnx,.pt,.pth,.bin,.safetensors" });
  const prompt = h("span", { class: "drop-title" }, "Choose a model file, or drop it here");
  const zone = h(
    "label",
    { class: "drop", for: fieldId },
    prompt,
    h("span", { class: "hint" }, "ONNX, a PyTorch state_dict (.pt) or safetensors"),
  );
  const outcome = h("div", {});
  const element = panel("Network", { class: "model" }, picker, zone, outcome);

  picker.addEventListener("change", () => picker.files[0] && take(picker.files[0]));
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });

  async function take(file, activation = null) {
    state.sending?.abort();
    const sending = new AbortController();
    signal.addEventListener("abort", () => sending.abort());
    Object.assign(state, { file, model: null, sending });
    onModel(null);
    prompt.textContent = file.name;
    zone.classList.add("taken");
    const bar = h("progress", { max: 1, "aria-label": "Sending the file" });
    const words = h("span", {}, `Sending ${bytes(file.size)}…`);
    refill(outcome, h("p", { class: "sending" }, bar, words));
    try {
      const form = new FormData();
      form.append("model", file, file.name);
      const path = activation ? `models?activation=${encodeURIComponent(activation)}` : "models";
      const model = await uploaded(
        path,
        form,
        (part) => {
          if (part === null) return;
          bar.value = part;
          words.textContent = part < 1 ? `Sending ${bytes(file.size)}… ${Math.round(100 * part)} %` : "Reading…";
        },
        sending.signal,
      );
      if (sending.signal.aborted) return;
      use(model, file, activation);
    } catch (error) {
      if (sending.signal.aborted) return;
      const again = h("button", { type: "button", onclick: () => take(file, activation) }, "Send it again");
      refill(outcome, problemBox(readable(error), error.passing && again));
    } finally {
      picker.value = "";
    }
  }

  function use(model, file = null, activation = null) {
    state.model = model;
    if (!file) prompt.textContent = "Network of an earlier count";
    zone.classList.add("taken");
    const choice =
      file && model.format !== "onnx" && activationChoice(activation ?? "relu", (name) => take(file, name));
    refill(outcome, whatWasRead(model, file), choice);
    announce(`Read: ${shape(model)}, ${model.neurons} neurons`);
    onModel(model);
  }

  return { element, use };
}

function readable(error) {
  return error instanceof Problem ? error : new Problem({ title: "The file could not be sent", detail: error.message });
}

function whatWasRead(model, file) {
  const widest = Math.max(model.inputs, model.outputs, ...model.hidden);
  return h(
    "div",
    { class: "read" },
    layers(model, widest),
    facts([
      ["Neurons", integer(model.neurons)],
      ["Activation", model.activation.replaceAll("_", " ")],
      model.breakpoints && model.breakpoints !== model.neurons && ["Breakpoints", integer(model.breakpoints)],
      model.input_shape && model.input_shape.length > 2 && ["Shape of an input", model.input_shape.join(" × ")],
      model.format && ["Format", FORMATS[model.format] ?? model.format],
      file && ["File", `${file.name}, ${bytes(file.size)}`],
      ["Digest", h("code", { title: model.digest }, short(model.digest, 12))],
    ]),
    (model.notes ?? []).length > 0 &&
      h(
        "ul",
        { class: "notes", "aria-label": "Notes of the reader" },
        model.notes.map((note) => h("li", {}, note)),
      ),
  );
}

/** The layers as columns, as high as they are wide. */
function layers(model, widest) {
  const named = [
    ["inputs", model.inputs],
    ...model.hidden.map((width, i) => [`layer ${i + 1}`, width]),
    ["outputs", model.outputs],
  ];
  return h(
    "ol",
    { class: "layers", "aria-label": `Layers: ${shape(model)}` },
    named.map(([name, width], i) => {
      const kind = i === 0 || i === named.length - 1 ? "outer" : "hidden";
      const size = Math.max(1, Math.round((8 * Math.sqrt(width)) / Math.sqrt(widest)));
      return h(
        "li",
        { class: kind },
        h("span", { class: `column size-${size}` }),
        h("b", {}, integer(width)),
        h("span", { class: "hint" }, name),
      );
    }),
  );
}

function activationChoice(chosen, onChoice) {
  const id = freshId("activation");
  const known = ACTIVATIONS.map(([name]) => name);
  const options = ACTIVATIONS.map(([name, text]) => h("option", { value: name, selected: name === chosen }, text));
  if (!known.includes(chosen)) options.push(h("option", { value: chosen, selected: true }, chosen));
  const slope = h("option", { value: "slope" }, "leaky ReLU with another slope…");
  const field = h("select", { id }, options, slope);
  const slopeId = freshId("slope");
  const slopeField = h("input", { id: slopeId, type: "text", inputmode: "decimal", placeholder: "0.2", size: 6 });
  const slopePart = h("span", { class: "row", hidden: true }, h("label", { for: slopeId }, "Slope"), slopeField);
  slopeField.addEventListener(
    "change",
    () => slopeField.value.trim() && onChoice(`leaky_relu:${slopeField.value.trim()}`),
  );
  field.addEventListener("change", () => {
    slopePart.hidden = field.value !== "slope";
    if (slopePart.hidden) onChoice(field.value);
    else slopeField.focus();
  });
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, "Activation, which the file does not name"),
    h("div", { class: "row" }, field, slopePart),
  );
}
