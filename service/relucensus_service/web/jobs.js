// The list of jobs, the newest first, page by page.

import { asked } from "./api.js";
import { actionButton, freshId, h, problemBox, refill } from "./dom.js";
import { inWords } from "./domains.js";
import { integer, moment, shape, short } from "./format.js";
import { STATES } from "./words.js";

const ON_A_PAGE = 25;
const LOOK_AGAIN = 3000; // milliseconds, while some job on the list is not done

/** Draw the view. */
export async function showJobs(place, signal) {
  document.title = "Jobs · relucensus";
  const state = { only: "", cursor: null, jobs: [], timer: 0 };
  const rows = h("tbody", {});
  const outcome = h("div", {});
  const filterId = freshId("state");
  const filter = h(
    "select",
    { id: filterId, onchange: () => first() },
    h("option", { value: "" }, "all"),
    Object.keys(STATES).map((name) => h("option", { value: name }, name)),
  );
  const table = h(
    "table",
    { class: "jobs" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["State", "Network", "Domain", "Activation regions", "Engine", "Asked", "Job"].map((name) =>
          h("th", { scope: "col" }, name),
        ),
      ),
    ),
    rows,
  );
  const more = actionButton("Older jobs", "Loading…", () => next(), { hidden: true });
  refill(
    place,
    h(
      "div",
      { class: "headline" },
      h("h1", {}, "Jobs"),
      h("div", { class: "row" }, h("label", { for: filterId }, "State"), filter),
    ),
    h("div", { class: "panel flush" }, table),
    outcome,
    more,
  );
  refill(rows, h("tr", {}, h("td", { colspan: 7, class: "hint" }, "Loading…")));
  signal.addEventListener("abort", () => clearTimeout(state.timer));
  await first();

  async function first() {
    Object.assign(state, { only: filter.value, cursor: null, jobs: [] });
    await next();
  }

  async function page(cursor, limit) {
    const query = new URLSearchParams({ limit });
    if (state.only) query.set("state", state.only);
    if (cursor) query.set("cursor", cursor);
    return asked(`count?${query}`, { signal });
  }

  async function next() {
    try {
      const only = state.only;
      const { jobs, next_cursor: cursor } = await page(state.cursor, ON_A_PAGE);
      if (signal.aborted || only !== state.only) return;
      state.jobs.push(...jobs);
      state.cursor = cursor;
      refill(outcome);
      draw();
    } catch (error) {
      if (!signal.aborted)
        refill(
          outcome,
          problemBox(
            error,
            actionButton("Try again", "Loading…", () => next()),
          ),
        );
    }
  }

  function draw() {
    more.hidden = state.cursor === null;
    refill(
      rows,
      state.jobs.length
        ? state.jobs.map(row)
        : h("tr", {}, h("td", { colspan: 7, class: "hint" }, state.only ? `No job is ${state.only}.` : "No job yet.")),
    );
    clearTimeout(state.timer);
    if (state.jobs.some((job) => !job.done)) state.timer = setTimeout(refresh, LOOK_AGAIN);
  }

  /** Bring the newest page up to date; those below it change no more, or are rarely looked at. */
  async function refresh() {
    const only = state.only;
    try {
      const { jobs } = await page(null, ON_A_PAGE);
      if (signal.aborted || only !== state.only) return;
      const fresh = new Set(jobs.map((job) => job.id));
      const older = state.jobs.slice(state.jobs.length > ON_A_PAGE ? ON_A_PAGE : state.jobs.length);
      state.jobs = [...jobs, ...older.filter((job) => !fresh.has(job.id))];
      draw();
    } catch {
      if (!signal.aborted) state.timer = setTimeout(refresh, 2 * LOOK_AGAIN);
    }
  }
}

function row(job) {
  const count = job.result?.counts.activation_regions;
  const regions = integer(job.progress.activation_regions);
  const bounded = job.state === "failed" ? "—" : count?.status === "exact" ? regions : `≥ ${regions}`;
  const cell = (label, attributes, ...children) => h("td", { "data-label": label, ...attributes }, ...children);
  return h(
    "tr",
    {},
    cell("State", {}, badge(job)),
    cell("Network", {}, h("a", { href: `#/job/${job.id}` }, shape(job.network))),
    cell("Domain", {}, inWords(job.request.domain, job.network.inputs)),
    cell("Activation regions", { class: "number" }, bounded),
    cell("Engine", {}, job.result?.engine ?? job.request.engine),
    cell("Asked", { title: job.created_at }, moment(job.created_at)),
    cell("Job", {}, h("code", {}, short(job.id))),
  );
}

/** A job's state, in colour and in words. */
export function badge(job) {
  return h("span", { class: `badge ${job.state}`, title: STATES[job.state] }, job.state);
}
