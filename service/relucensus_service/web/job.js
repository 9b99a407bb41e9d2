// One job: followed while it is counted, its answer when it is done, what can be done with it.

import { answered, asked } from "./api.js";
import { actionButton, announce, confirmed, h, panel, problemBox, refill } from "./dom.js";
import { dimension, inWords } from "./domains.js";
import { downloadsPanel } from "./downloads.js";
import { follow } from "./events.js";
import { integer, moment, shape } from "./format.js";
import { badge } from "./jobs.js";
import { picturePanel } from "./picture.js";
import { progressPanel } from "./progress.js";
import { aboutPanel, resultPanels } from "./result.js";
import { DEFINITIONS } from "./words.js";

/** Draw the view and follow the job until it is done or the view is left. */
export async function showJob(place, signal, id) {
  document.title = "Job · relucensus";
  refill(place, h("p", { class: "loading" }, "Loading the job…"));
  let job;
  try {
    job = await asked(`count/${id}`, { signal });
  } catch (error) {
    if (!signal.aborted)
      refill(
        place,
        h("h1", {}, "Job"),
        problemBox(
          error,
          actionButton("Try again", "Loading…", () => showJob(place, signal, id)),
        ),
      );
    return;
  }
  if (signal.aborted) return;
  const view = { place, signal, job, head: h("div", {}), body: h("div", {}), outcome: h("div", {}) };
  refill(place, view.head, view.outcome, view.body);
  drawHead(view);
  if (job.done) drawEnd(view);
  else await watch(view);
}

async function watch(view) {
  const progress = progressPanel();
  view.signal.addEventListener("abort", progress.end);
  refill(view.body, progress.element);
  progress.show(view.job);
  const onJob = (news) => {
    const before = view.job.state;
    const started = view.job.started_at ?? (news.state === "running" ? new Date().toISOString() : null);
    view.job = { ...view.job, started_at: started, ...news };
    if (view.job.state !== before) drawHead(view);
    if (!view.job.done) progress.show(view.job);
  };
  try {
    await follow(view.job.id, { onJob, onLink: progress.showLink, signal: view.signal });
  } catch (error) {
    if (!view.signal.aborted) refill(view.outcome, problemBox(error));
  } finally {
    progress.end();
  }
  if (!view.signal.aborted && view.job.done) {
    drawEnd(view);
    announce(conclusion(view.job));
  }
}

function conclusion(job) {
  if (job.state === "failed") return `The job failed: ${job.error?.detail ?? ""}`;
  const counts = Object.entries(job.result?.counts ?? {});
  const told = counts.map(
    ([name, count]) =>
      `${integer(count.value)} ${DEFINITIONS[name]?.name ?? name}, ${count.status === "exact" ? "exact" : "at least"}`,
  );
  return `Done. ${told.join("; ")}`;
}

function drawHead(view) {
  const { job } = view;
  const focused = view.head.contains(document.activeElement);
  document.title = `${job.state} · ${shape(job.network)} · relucensus`;
  const buttons = [
    !job.done && act(view, "Cancel", "Cancelling…", "danger", () => change(view, "cancel")),
    canGoOn(job) && act(view, "Go on", "Queueing…", "primary", () => resume(view)),
    job.done && h("a", { class: "button", href: `#/again/${job.id}` }, "Count with changes"),
    job.done && act(view, "Delete", "Deleting…", "quiet", () => forget(view)),
  ];
  refill(
    view.head,
    h(
      "div",
      { class: "headline" },
      h(
        "div",
        {},
        h("h1", { tabindex: -1 }, h("span", { class: "math" }, shape(job.network)), " ", badge(job)),
        h(
          "p",
          { class: "lead" },
          `on ${inWords(job.request.domain, job.network.inputs)}, asked ${moment(job.created_at)}`,
        ),
      ),
      h("div", { class: "row wrap" }, buttons),
    ),
  );
  if (focused) view.head.querySelector("h1").focus(); // not another button: it would be pressed by mistake
}

/** Whether going on may lead further: the job is not exact, and was not refused for what it asks. */
function canGoOn(job) {
  return job.done && !isExact(job) && (!job.error || job.error.status >= 500);
}

function isExact(job) {
  return Boolean(job.result) && Object.values(job.result.counts).every((count) => count.status === "exact");
}

function act(view, text, busyText, kind, action) {
  return actionButton(
    text,
    busyText,
    async () => {
      refill(view.outcome);
      try {
        await action();
      } catch (error) {
        if (!view.signal.aborted) refill(view.outcome, problemBox(error));
      }
    },
    { class: kind },
  );
}

async function change(view, verb) {
  const job = await asked(`count/${view.job.id}/${verb}`, { method: "POST", signal: view.signal });
  if (!view.job.done || verb === "retry") view.job = job;
  drawHead(view);
}

async function resume(view) {
  await change(view, "retry");
  watch(view);
}

async function forget(view) {
  if (!(await confirmed("Forget this job and its result?", "Delete"))) return;
  await answered(`count/${view.job.id}`, { method: "DELETE", signal: view.signal });
  location.hash = "#/jobs";
}

function drawEnd(view) {
  const { job, signal } = view;
  drawHead(view);
  const varying = dimension(job.request.domain, job.network.inputs);
  const flat = varying === 1 || varying === 2;
  const exact = isExact(job);
  const failure = job.error && panel("What went wrong", { class: "failure" }, problemBox(job.error), failureWords(job));
  const [counts, layers, bounds] = job.result ? resultPanels(job) : [];
  refill(
    view.body,
    failure,
    counts,
    flat && exact && picturePanel(job, signal),
    h(
      "div",
      { class: "grid" },
      h("div", {}, layers, aboutPanel(job)),
      job.result && h("div", {}, downloadsPanel(job, signal, { flat }), bounds),
    ),
  );
}

function failureWords(job) {
  return h(
    "p",
    { class: "hint" },
    canGoOn(job) && "“Go on” continues from where the job stopped. ",
    "“Count with changes” opens the request again, to be changed.",
    job.error.status >= 500 && " The service’s log has more.",
  );
}
