// The answer: counts with their bounds and what they mean, regions by layer, figures.

import { facts, h, notesList, panel, s } from "./dom.js";
import { inWords } from "./domains.js";
import { bytes, decimal, duration, integer, shape, short } from "./format.js";
import { BOUNDS, BOUNDS_OF_SPACE, DEFINITIONS, STATISTICS } from "./words.js";

/** The panels of a result: counts, regions after each layer (or null), bounds. */
export function resultPanels(job) {
  const { result } = job;
  return [countsPanel(job), layersPanel(result), boundsPanel(result)];
}

function countsPanel(job) {
  const { result } = job;
  const entries = Object.entries(result.counts);
  const exactly = entries.every(([, count]) => count.status === "exact");
  return panel(
    "Result",
    { class: "counts" },
    h(
      "div",
      { class: "count-row" },
      entries.map(([name, count]) => figure(name, count)),
    ),
    h("p", { class: "hint" }, exactly ? exactWords(result, job) : lowerWords(job)),
    notesList(result.notes),
  );
}

function figure(name, count) {
  const { name: title, says } = DEFINITIONS[name] ?? { name, says: "" };
  const exactly = count.status === "exact";
  return h(
    "div",
    { class: `count ${count.status}`, "data-definition": name },
    h("p", { class: "value" }, !exactly && h("span", { class: "least" }, "≥ "), h("output", {}, integer(count.value))),
    h("h3", {}, title, h("span", { class: `status ${count.status}` }, exactly ? "exact" : "lower bound")),
    !exactly &&
      count.upper_bound !== null &&
      count.upper_bound !== undefined &&
      h("p", { class: "most" }, `at most ${integer(count.upper_bound)}`),
    h("p", { class: "hint" }, says),
  );
}

function exactWords(result, job) {
  const confirmed = result.cross_checked_by ? ` Confirmed by engine ${result.cross_checked_by}.` : "";
  const known = job.answered_from ? " The answer was known from an earlier job." : "";
  return `Exact: every region was proven to exist, and that there are no others.${confirmed}${known}`;
}

function lowerWords(job) {
  const why = job.state === "cancelled" ? "The job was cancelled" : "A limit was reached";
  return `${why}: so many were proven to exist; “at most” is what could still be there. “Go on” continues from here.`;
}

function layersPanel(result) {
  const after = result.regions_after_layer;
  if (!after.length) return null;
  const most = after.reduce((a, b) => (a > b ? a : b));
  return panel(
    "Regions after each layer",
    { class: "after" },
    h(
      "ol",
      { class: "bars" },
      after.map((count, i) =>
        h("li", {}, h("span", {}, `layer ${i + 1}`), bar(Number(count) / Number(most) || 0), h("b", {}, integer(count))),
      ),
    ),
    h("p", { class: "hint" }, "Distinct activation regions of the network, cut off after each hidden layer."),
  );
}

function bar(share) {
  return s(
    "svg",
    { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "full", width: 100, height: 10 }),
    s("rect", { class: "part", width: 100 * share, height: 10 }),
  );
}

function boundsPanel(result) {
  const { bounds } = result;
  const unstable = bounds.on_unstable_neurons ?? {};
  const upper = BOUNDS.filter(([name]) => bounds[name] !== null && bounds[name] !== undefined);
  const space = BOUNDS_OF_SPACE.filter(
    ([name]) => bounds.whole_space?.[name] !== null && bounds.whole_space?.[name] !== undefined,
  );
  const found = result.counts.activation_regions;
  return panel(
    "Beside the bounds of the literature",
    { class: "bounds" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Bound"),
          h("th", { scope: "col", class: "number" }, "all neurons"),
          h("th", { scope: "col", class: "number" }, "unstable ones"),
        ),
      ),
      h(
        "tbody",
        {},
        found &&
          h(
            "tr",
            { class: "found-here" },
            h("th", { scope: "row" }, "found here"),
            h("td", { class: "number" }, `${found.status === "exact" ? "" : "≥ "}${integer(found.value)}`),
            h("td", {}),
          ),
        upper.map(([name, title, says]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, title, h("p", { class: "hint" }, says)),
            h("td", { class: "number", "data-label": "all neurons" }, `≤\u00a0${integer(bounds[name])}`),
            h(
              "td",
              { class: "number", "data-label": "unstable ones" },
              unstable[name] === undefined || unstable[name] === null ? "" : `≤\u00a0${integer(unstable[name])}`,
            ),
          ),
        ),
        space.map(([name, title, says]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, title, h("p", { class: "hint" }, says)),
            h("td", { class: "number", colspan: 2 }, spaceValue(bounds.whole_space[name])),
          ),
        ),
      ),
    ),
  );
}

function spaceValue(value) {
  return Array.isArray(value)
    ? `${decimal(value[0])} … ${decimal(value[1])}`
    : typeof value === "number"
      ? decimal(value)
      : integer(value);
}

/** What was asked, by whom it was counted, what it cost. */
export function aboutPanel(job) {
  const { result, network, request } = job;
  const statistics = result?.statistics ?? {};
  const shown = (name, value) =>
    name.endsWith("_bytes") ? bytes(value) : name.endsWith("_seconds") ? duration(value) : integer(value);
  const stable = result?.network.stable_neurons;
  return panel(
    "About this count",
    { class: "about" },
    facts([
      ["Network", shape(network)],
      ["Neurons", stable ? `${integer(network.neurons)}, ${integer(stable)} of them stable` : integer(network.neurons)],
      ["Activation", network.activation.replaceAll("_", " ")],
      ["Domain", inWords(request.domain, network.inputs)],
      ["Engine", result?.engine ?? request.engine],
      result?.cross_checked_by && ["Confirmed by", result.cross_checked_by],
      ...STATISTICS.filter(([name]) => statistics[name]).map(([name, title]) => [
        title[0].toUpperCase() + title.slice(1),
        shown(name, statistics[name]),
      ]),
      ["Digest of the network", h("code", { title: network.digest }, short(network.digest, 16))],
      ["Job", h("code", {}, job.id)],
      result?.versions && [
        "Versions",
        Object.entries(result.versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(", "),
      ],
    ]),
  );
}
