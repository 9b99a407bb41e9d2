// A job followed by server-sent events. Read by fetch, since EventSource cannot send an API key.

import { answered, parsed } from "./api.js";

const LONGEST_SILENCE = 40_000; // milliseconds; the service says something every 15 seconds
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15_000;

/**
 * Follow a job to its end, again and again if the connection breaks.
 * @param {string} id
 * @param {{onJob: (job: Object) => void, onLink: (live: boolean) => void, signal: AbortSignal}} options
 * @throws {import("./api.js").Problem} the service refuses
 */
export async function follow(id, { onJob, onLink, signal }) {
  let seen = null;
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    try {
      for await (const event of connection(id, seen, signal, () => onLink(true))) {
        seen = event.id;
        pause = FIRST_PAUSE;
        onJob(parsed(event.data));
        if (event.name === "done") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status && !error.passing) throw error;
    }
    if (signal.aborted) return;
    onLink(false);
    await rest(pause, signal);
    pause = Math.min(LONGEST_PAUSE, pause * 1.6);
  }
}

async function* connection(id, seen, signal, onOpen) {
  const broken = new AbortController();
  const stop = () => broken.abort();
  signal.addEventListener("abort", stop);
  let watch = setTimeout(stop, LONGEST_SILENCE);
  try {
    const headers = { Accept: "text/event-stream", ...(seen ? { "Last-Event-ID": seen } : {}) };
    const response = await answered(`count/${id}/events`, { headers, signal: broken.signal });
    onOpen();
    if (response.status === 204) {
      const job = await answered(`count/${id}`, { signal: broken.signal });
      yield { id: seen, name: "done", data: await job.text() };
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(stop, LONGEST_SILENCE);
      const parts = (text + value).split(/\r?\n\r?\n/);
      text = parts.pop();
      for (const part of parts) {
        const event = eventIn(part);
        if (event.data) yield event;
      }
    }
  } finally {
    clearTimeout(watch);
    signal.removeEventListener("abort", stop);
    broken.abort();
  }
}

/** The event in the lines between two empty ones. */
export function eventIn(text) {
  const event = { id: null, name: "message", data: "" };
  for (const line of text.split(/\r?\n/)) {
    const [, field, value] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
    if (field === "data") event.data += event.data ? `\n${value}` : value;
    else if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
  }
  return event;
}

function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
