// A job while it is counted: figures that change in place, and how the number grows.

import { serviceNow } from "./api.js";
import { announce, h, panel, s } from "./dom.js";
import { dimension } from "./domains.js";
import { decimal, duration, integer, plural } from "./format.js";

const SPOKEN_EVERY = 10_000; // milliseconds between figures told to those who listen
const MOST_SAMPLES = 400;
const [WIDTH, HEIGHT] = [600, 90];

/** The panel of a job that is not done; `show(job)` brings it up to date. */
export function progressPanel() {
  const figure = (label, title) => {
    const value = h("dd", {}, "—");
    return { value, row: h("div", { title }, h("dt", {}, label), value) };
  };
  const found = h("output", { class: "found", id: "found" }, "—");
  const most = figure("at most", "Montúfar's bound of 2017 for a network of this shape");
  const open = figure("open cubes", "Parts of the domain that are still to be counted");
  const rate = figure("regions a second", "Committed so far, by the time it took");
  const time = figure("time", "Since a runner took the job");
  const link = h("p", { class: "link", role: "status" });
  const { chart, draw } = growth();
  const element = panel(
    "Counting",
    { class: "progress" },
    h("div", { class: "found-row" }, found, h("span", {}, "activation regions found")),
    chart,
    h("dl", { class: "figures" }, most.row, open.row, rate.row, time.row),
    link,
  );
  const state = { job: null, samples: [], spoken: 0 };
  const clock = setInterval(() => state.job && (time.value.textContent = elapsed(state.job)), 250);

  return {
    element,
    show(job) {
      state.job = job;
      const { activation_regions: regions, open_cubes: cubes, regions_per_second: speed } = job.progress;
      found.textContent = integer(regions);
      most.value.textContent = integer(mostRegions(job));
      open.value.textContent = integer(cubes);
      rate.value.textContent = decimal(speed);
      time.value.textContent = elapsed(job);
      state.samples.push([serviceNow(), Number(regions)]);
      if (state.samples.length > MOST_SAMPLES) state.samples = state.samples.filter((_, i) => i % 2 === 0);
      draw(state.samples);
      if (Date.now() - state.spoken > SPOKEN_EVERY) {
        state.spoken = Date.now();
        announce(`${plural(regions, "region", "regions")} found, ${plural(cubes, "cube", "cubes")} open`);
      }
    },
    showLink(live) {
      link.textContent = live ? "" : "The connection is interrupted; trying again. The job goes on meanwhile.";
    },
    end: () => clearInterval(clock),
  };
}

function elapsed(job) {
  if (!job.started_at) return "not begun";
  return duration((serviceNow() - Date.parse(job.started_at)) / 1000);
}

/** The regions against time, since the page looks. */
function growth() {
  const line = s("polyline", { class: "line" });
  const area = s("polygon", { class: "area" });
  const chart = s(
    "svg",
    { class: "growth", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  return {
    chart,
    draw(samples) {
      const [begin] = samples[0];
      const span = Math.max(1, samples.at(-1)[0] - begin);
      const top = Math.max(1, samples.at(-1)[1]);
      const points = samples.map(
        ([time, regions]) =>
          `${((WIDTH * (time - begin)) / span).toFixed(1)},${(HEIGHT - 4 - ((HEIGHT - 8) * regions) / top).toFixed(1)}`,
      );
      line.setAttribute("points", points.join(" "));
      area.setAttribute("points", [`0,${HEIGHT}`, ...points, `${WIDTH},${HEIGHT}`].join(" "));
    },
  };
}

/**
 * At most so many regions (Montúfar 2017), for neurons with one breakpoint each; null for others.
 * Each layer cuts a space of at most as many dimensions as came through all layers before.
 */
export function mostRegions({ network, request }) {
  if (!["relu", "leaky_relu", "abs"].includes(network.activation.split(":")[0])) return null;
  let dimensions = Math.min(network.inputs, dimension(request.domain, network.inputs));
  let most = 1n;
  for (const width of network.hidden) {
    dimensions = Math.min(dimensions, width);
    let [choices, sum] = [1n, 1n];
    for (let j = 1; j <= dimensions; j += 1) {
      choices = (choices * BigInt(width - j + 1)) / BigInt(j);
      sum += choices;
    }
    most *= sum;
  }
  return most <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(most) : most;
}
