// Files of a job: fetched, so that a refusal can be told in words, then saved.

import { Problem, answered } from "./api.js";
import { actionButton, h, panel, problemBox, refill } from "./dom.js";
import { bytes } from "./format.js";

/** What can be downloaded of a job that is done. */
export function downloadsPanel(job, signal, { flat }) {
  const outcome = h("div", {});
  const exact = Boolean(job.result) && Object.values(job.result.counts).every((count) => count.status === "exact");
  const stem = `relucensus-${job.id.slice(0, 8)}`;
  const files = [
    exact && ["Regions, Parquet", `count/${job.id}/regions?format=parquet`, `${stem}.parquet`],
    exact && ["Regions, NDJSON", `count/${job.id}/regions?format=ndjson`, `${stem}.ndjson`],
    exact && flat && ["Picture, PNG", `count/${job.id}/picture?format=png`, `${stem}.png`],
    exact && flat && ["Picture, SVG", `count/${job.id}/picture?format=svg`, `${stem}.svg`],
    exact && job.request.certificate && ["Certificate", `count/${job.id}/certificate`, `${stem}.certificate.gz`],
    ["The answer, JSON", `count/${job.id}`, `${stem}.json`],
  ].filter(Boolean);
  const buttons = files.map(([text, path, name]) =>
    actionButton(text, "Fetching…", async (button) => {
      refill(outcome);
      try {
        save(await fetched(path, signal, (size) => (button.textContent = `${bytes(size)}…`)), name);
      } catch (error) {
        if (!signal.aborted) refill(outcome, problemBox(broken(error)));
      }
    }),
  );
  return panel("Download", { class: "downloads" }, h("div", { class: "row wrap" }, buttons), outcome);
}

function broken(error) {
  if (error instanceof Problem) return error;
  return new Problem({
    title: "The download broke off",
    detail: "The connection ended before the file did; nothing was saved.",
  });
}

async function fetched(path, signal, onSize) {
  const response = await answered(path, { signal });
  let size = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      size += chunk.byteLength;
      onSize(size);
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counter), { headers: response.headers }).blob();
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
