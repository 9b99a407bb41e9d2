// Choosing a model file: drop or pick it, send it, show what was read.

import { Problem, uploaded } from "./api.js";
import { announce, facts, freshId, h, notesList, panel, problemBox, refill } from "./dom.js";
import { bytes, integer, shape, short } from "./format.js";
import { ACTIVATIONS, CHOICES, FORMATS, MODEL_ENDINGS, OPTIONS } from "./words.js";

const FEW = 6; // choices that are buttons; more are a list

/**
 * The part of the form for the model.
 * @param {(model: Object|null) => void} onModel is told what was read, or that there is nothing yet
 */
export function modelForm(onModel, signal) {
  const state = { files: null, model: null, sending: null };
  const fieldId = freshId("file");
  const accept = [...MODEL_ENDINGS, ".data", ".weight", ".bias"].join(",");
  const picker = h("input", { id: fieldId, type: "file", class: "unseen", multiple: true, accept });
  const prompt = h("span", { class: "drop-title" }, "Choose a model file, or drop it here");
  const zone = h(
    "label",
    { class: "drop", for: fieldId },
    prompt,
    h("span", { class: "hint" }, "ONNX, with its .data file beside it, a PyTorch state_dict or checkpoint, safetensors or .nnet"),
  );
  const outcome = h("div", {});
  const element = panel("Network", { class: "model" }, picker, zone, outcome);

  picker.addEventListener("change", () => picker.files[0] && take([...picker.files]));
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
    if (event.dataTransfer.files[0]) take([...event.dataTransfer.files]);
  });

  /** Send a model, with the files beside it and what is said about it, and show what was read. */
  async function take(files, said = {}) {
    state.sending?.abort();
    const sending = new AbortController();
    signal.addEventListener("abort", () => sending.abort());
    Object.assign(state, { files, model: null, sending });
    onModel(null);
    const names = files.map((file) => file.name).join(", ");
    const size = files.reduce((sum, file) => sum + file.size, 0);
    prompt.textContent = names;
    zone.classList.add("taken");
    const bar = h("progress", { max: 1, "aria-label": "Sending the file" });
    const words = h("span", {}, `Sending ${bytes(size)}…`);
    refill(outcome, h("p", { class: "sending" }, bar, words));
    try {
      const model = await uploaded(
        addressed(said),
        formOf(files),
        (part) => {
          if (part === null) return;
          bar.value = part;
          words.textContent = part < 1 ? `Sending ${bytes(size)}… ${Math.round(100 * part)} %` : "Reading…";
        },
        sending.signal,
      );
      if (sending.signal.aborted) return;
      use(model, files, said);
    } catch (error) {
      if (sending.signal.aborted) return;
      const again = h("button", { type: "button", onclick: () => take(files, said) }, "Send it again");
      const choose = (choice) => take(files, { ...said, [error.option]: choice });
      refill(outcome, problemBox(readable(error), error.passing && again), optionChoice(error, choose));
    } finally {
      picker.value = "";
    }
  }

  function use(model, files = null, said = {}) {
    state.model = model;
    if (!files) prompt.textContent = "Network of an earlier count";
    zone.classList.add("taken");
    const choice =
      files &&
      ["state_dict", "safetensors"].includes(model.format) &&
      activationChoice(said.activation ?? "relu", (activation) => take(files, { ...said, activation }));
    refill(outcome, whatWasRead(model, files), choice);
    announce(`Read: ${shape(model)}, ${model.neurons} neurons`);
    onModel(model);
  }

  return { element, use };
}

function readable(error) {
  return error instanceof Problem ? error : new Problem({ title: "The file could not be sent", detail: error.message });
}

/** The model among the files, and the others as files beside it. */
function formOf(files) {
  const models = files.filter((file) => MODEL_ENDINGS.some((ending) => file.name.toLowerCase().endsWith(ending)));
  if (files.length > 1 && models.length !== 1) {
    const found = models.length ? `${models.length} of these ${files.length} files are models` : "None of them is a model";
    const detail = `${found}. Needed is one, with the files beside it.`;
    throw new Problem({ title: "Which is the model?", detail, status: 422 });
  }
  const [model] = files.length > 1 ? models : files;
  const form = new FormData();
  form.append("model", model, model.name);
  for (const file of files) if (file !== model) form.append("data", file, file.name);
  return form;
}

/** The address of an upload with what is said about the file. */
function addressed(said) {
  const query = new URLSearchParams(said).toString();
  return query ? `models?${query}` : "models";
}

/** What the file leaves open, to choose from; nothing if that is not what is wrong. */
function optionChoice({ option, choices }, onChoice) {
  const question = OPTIONS[option];
  if (!question || !choices?.length) return null;
  const named = (choice) => CHOICES[option]?.[choice] ?? choice;
  const id = freshId("choice");
  if (choices.length > FEW) {
    const field = h(
      "select",
      { id, onchange: () => field.value && onChoice(field.value) },
      h("option", { value: "" }, "choose…"),
      choices.map((choice) => h("option", { value: choice }, named(choice))),
    );
    return h("div", { class: "field" }, h("label", { for: id }, question), field);
  }
  return h(
    "div",
    { class: "field", role: "group", "aria-labelledby": id },
    h("p", { id }, question),
    h(
      "div",
      { class: "row" },
      choices.map((choice) => h("button", { type: "button", onclick: () => onChoice(choice) }, named(choice))),
    ),
  );
}

function whatWasRead(model, files) {
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
      ...(files ?? []).map((file) => ["File", `${file.name}, ${bytes(file.size)}`]),
      ["Digest", h("code", { title: model.digest }, short(model.digest, 12))],
    ]),
    notesList(model.notes),
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
