// A new count: network, domain, what to count, who counts, limits; then start.

import { Problem, asked, freshKey, submitted } from "./api.js";
import { busyWhile, freshId, h, panel, problemBox, refill } from "./dom.js";
import { domainForm } from "./domain-form.js";
import { Mistake, dimension, inWords, numberIn } from "./domains.js";
import { shape } from "./format.js";
import { modelForm } from "./model-form.js";
import { DEFAULT_DEFINITIONS, DEFINITIONS, ENGINES } from "./words.js";

/** Draw the view; with the id of a job, filled in as that one was. */
export async function showNewCount(place, signal, from = null) {
  document.title = "New count · relucensus";
  const state = { model: null, sent: { text: "", key: "" } };
  const domain = domainForm(() => summarise());
  const counting = countingForm();
  const limits = limitsForm();
  const model = modelForm((read) => {
    state.model = read;
    if (read) domain.useInputs(read.inputs);
    summarise();
  }, signal);
  const summary = h("p", { class: "summary" });
  const start = h("button", { type: "submit", class: "primary large" }, "Start counting");
  const outcome = h("div", {});
  const form = h(
    "form",
    {
      class: "new",
      novalidate: true,
      oninput: () => summarise(),
      onsubmit: (event) => {
        event.preventDefault();
        busyWhile(start, "Starting…", submit);
      },
    },
    h("div", { class: "column-main" }, model.element, domain.element),
    h(
      "div",
      { class: "column-side" },
      counting.element,
      limits.element,
      h("section", { class: "start" }, summary, start, outcome),
    ),
  );
  refill(
    place,
    h("h1", {}, "How many regions does a network have?"),
    h(
      "p",
      { class: "lead" },
      "Exact counts of the pieces on which a piecewise-linear network is affine, within a box, along a line or in a plane.",
    ),
    form,
  );
  summarise();
  if (from) await fillFrom(from);

  function request() {
    return {
      model: state.model.digest,
      domain: domain.read(),
      ...counting.read(),
      limits: limits.read(),
      ...limits.extras(),
    };
  }

  function summarise() {
    domain.point(null);
    start.classList.toggle("waiting", !state.model);
    if (!state.model) {
      refill(summary, "Choose a network to begin with.");
      return;
    }
    try {
      const { inputs } = state.model;
      const area = domain.read();
      const varying = dimension(area, inputs);
      refill(
        summary,
        h("b", {}, shape(state.model)),
        " on ",
        h("b", {}, inWords(area, inputs)),
        [1, 2].includes(varying) ? ". There will be a picture." : ".",
      );
    } catch {
      refill(summary, h("b", {}, shape(state.model)), ". The domain is not complete yet.");
    }
  }

  async function submit() {
    refill(outcome);
    if (!state.model) {
      refill(
        outcome,
        problemBox(new Problem({ title: "There is no network yet", detail: "Choose a model file first." })),
      );
      return;
    }
    try {
      const wanted = request();
      const text = JSON.stringify(wanted);
      // Sent again after a broken connection, the same request under the same key is the same job.
      if (state.sent.text !== text) state.sent = { text, key: freshKey() };
      const job = await submitted(wanted, state.sent.key);
      state.sent = { text: "", key: "" };
      if (!signal.aborted) location.hash = `#/job/${job.id}`;
    } catch (error) {
      if (error instanceof Mistake) domain.point(error.field);
      refill(
        outcome,
        problemBox(
          error instanceof Problem
            ? error
            : new Problem({ title: "The request is not complete", detail: error.message }),
        ),
      );
    }
  }

  async function fillFrom(id) {
    try {
      const job = await asked(`count/${id}`, { signal });
      const known = await asked(`models/${job.request.model}`, { signal });
      model.use(known);
      domain.fill(job.request.domain, known.inputs);
      counting.fill(job.request);
      limits.fill(job.request);
      summarise();
    } catch (error) {
      if (!signal.aborted) refill(outcome, problemBox(error));
    }
  }
}

function countingForm() {
  const boxes = Object.entries(DEFINITIONS).map(([name, { name: title, says }]) => {
    const id = freshId("definition");
    const box = h("input", {
      type: "checkbox",
      id,
      checked: DEFAULT_DEFINITIONS.includes(name),
      "aria-describedby": `${id}-says`,
    });
    return {
      name,
      box,
      row: h(
        "div",
        { class: "check" },
        box,
        h("label", { for: id }, title),
        h("p", { class: "hint", id: `${id}-says` }, says),
      ),
    };
  });
  const rare = boxes.filter(({ name }) => !DEFAULT_DEFINITIONS.includes(name));
  const engineId = freshId("engine");
  const engine = h(
    "select",
    { id: engineId, "aria-describedby": `${engineId}-says` },
    Object.keys(ENGINES).map((name) => h("option", { value: name }, name)),
  );
  const says = h("p", { class: "hint", id: `${engineId}-says` }, ENGINES.auto);
  const more = h(
    "details",
    {},
    h("summary", {}, "Two more definitions"),
    rare.map(({ row }) => row),
  );
  engine.addEventListener("change", () => (says.textContent = ENGINES[engine.value]));
  const element = panel(
    "What to count",
    { class: "counting" },
    h(
      "fieldset",
      { class: "plain" },
      h("legend", { class: "unseen" }, "Definitions"),
      boxes.filter(({ name }) => DEFAULT_DEFINITIONS.includes(name)).map(({ row }) => row),
      more,
    ),
    h("div", { class: "field" }, h("label", { for: engineId }, "Engine"), engine, says),
  );
  return {
    element,
    read() {
      const definitions = boxes.filter(({ box }) => box.checked).map(({ name }) => name);
      if (!definitions.length) throw new Mistake("choose at least one definition to count", "definitions");
      return { definitions, engine: engine.value };
    },
    fill(request) {
      for (const { name, box } of boxes) box.checked = request.definitions.includes(name);
      more.open = rare.some(({ box }) => box.checked);
      engine.value = request.engine;
      says.textContent = ENGINES[engine.value] ?? "";
    },
  };
}

function limitsForm() {
  const seconds = textField("Seconds of counting", "none", "decimal");
  const regions = textField("Regions", "none", "numeric");
  const certificate = checkField("Certificate", "A file that a small independent program can check.");
  const fresh = checkField("Count again", "Even if the exact answer is known from an earlier job.");
  const checkId = freshId("check");
  const check = h(
    "select",
    { id: checkId },
    h("option", { value: "" }, "nobody"),
    Object.keys(ENGINES)
      .filter((name) => name !== "auto")
      .map((name) => h("option", { value: name }, name)),
  );
  const more = h(
    "details",
    {},
    h("summary", {}, "Certificate, cross-check"),
    certificate.row,
    h("div", { class: "field" }, h("label", { for: checkId }, "Confirmed by a second engine"), check),
    fresh.row,
  );
  const element = panel(
    "Limits",
    { class: "limits" },
    h("div", { class: "row" }, seconds.row, regions.row),
    h("p", { class: "hint" }, "A limit that is reached gives proven bounds, not an error."),
    more,
  );
  return {
    element,
    read() {
      const limits = {};
      if (seconds.input.value.trim()) limits.seconds = numberIn(seconds.input.value, "Seconds", "seconds");
      if (regions.input.value.trim()) limits.regions = numberIn(regions.input.value, "Regions", "regions");
      return limits;
    },
    extras() {
      return { certificate: certificate.box.checked, cross_check: check.value || null, fresh: fresh.box.checked };
    },
    fill(request) {
      seconds.input.value = request.limits.seconds ?? "";
      regions.input.value = request.limits.regions ?? "";
      certificate.box.checked = Boolean(request.certificate);
      check.value = request.cross_check ?? "";
      more.open = Boolean(request.certificate || request.cross_check);
    },
  };
}

function textField(label, placeholder, inputmode) {
  const id = freshId("limit");
  const input = h("input", { id, type: "text", inputmode, placeholder, autocomplete: "off" });
  return { input, row: h("div", { class: "field" }, h("label", { for: id }, label), input) };
}

function checkField(label, says) {
  const id = freshId("check");
  const box = h("input", { type: "checkbox", id, "aria-describedby": `${id}-says` });
  return {
    box,
    row: h(
      "div",
      { class: "check" },
      box,
      h("label", { for: id }, label),
      h("p", { class: "hint", id: `${id}-says` }, says),
    ),
  };
}
