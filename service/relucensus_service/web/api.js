// The service: requests, problem documents, the API key, the clock. Addresses are relative to the page.

const KEY = "relucensus-key";

/** A refusal in the service's words, or a failure of the connection in ours. */
export class Problem extends Error {
  constructor(document) {
    super(document.detail || document.title);
    this.type = document.type ?? "about:blank";
    this.title = document.title ?? "Something went wrong";
    this.detail = document.detail ?? "";
    this.status = document.status ?? 0;
    this.errors = document.errors ?? [];
    this.option = document.option ?? null; // of a file that may be read in several ways: what has to be said,
    this.choices = document.choices ?? []; // and what it may be
  }

  /** Whether the same request may well succeed later. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const UNREACHABLE = {
  title: "The service cannot be reached",
  detail: "No answer came. The network or the service may be down; what was sent may be sent again.",
};

let rememberedKey = "";

/** The API key; kept while the tab is open. */
export const apiKey = {
  get text() {
    try {
      return sessionStorage.getItem(KEY) ?? rememberedKey;
    } catch {
      return rememberedKey;
    }
  },
  set text(value) {
    rememberedKey = value;
    try {
      if (value) sessionStorage.setItem(KEY, value);
      else sessionStorage.removeItem(KEY);
    } catch {
      // Without storage the key lasts as long as the page.
    }
  },
};

let ahead = 0; // milliseconds by which the service's clock is ahead of this one

/** Milliseconds since 1970 on the service's clock. */
export function serviceNow() {
  return Date.now() + ahead;
}

/** Headers that every request needs. */
export function authorization() {
  return apiKey.text ? { Authorization: `Bearer ${apiKey.text}` } : {};
}

/**
 * The answer to a request.
 * @throws {Problem} the service refuses or cannot be reached
 */
export async function answered(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      cache: "no-store",
      ...options,
      headers: { ...authorization(), ...options.headers },
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(UNREACHABLE);
  }
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (Math.abs(date - Date.now()) > 2000) ahead = date - Date.now();
  if (!response.ok) throw problemOf(response.status, await response.text().catch(() => ""));
  return response;
}

/** The JSON document that answers a request. */
export async function asked(path, options = {}) {
  const response = await answered(path, options);
  try {
    return parsed(await response.text());
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(UNREACHABLE);
  }
}

/** Send a form, saying what part of it has left. */
export function uploaded(path, form, onPart, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) =>
      onPart(event.lengthComputable ? event.loaded / event.total : null),
    );
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(parsed(request.responseText));
      else reject(problemOf(request.status, request.responseText));
    });
    request.addEventListener("error", () => reject(new Problem(UNREACHABLE)));
    request.addEventListener("abort", () => reject(new DOMException("given up", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Queue a count. The same key with the same request is the same job, however often it is sent. */
export function submitted(request, key) {
  const form = new FormData();
  form.append("request", JSON.stringify(request));
  return asked("count", { method: "POST", body: form, headers: { "Idempotency-Key": key } });
}

/** A name that nobody else takes; also where the page is not served over HTTPS. */
export function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** JSON with integers beyond 2^53 kept whole, as BigInt, where the browser shows their digits. */
export function parsed(text) {
  return JSON.parse(text, (name, value, context) => {
    const digits = context?.source;
    const cut = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return cut && digits !== undefined && /^-?\d+$/.test(digits) ? BigInt(digits) : value;
  });
}

function problemOf(status, text) {
  let document = {};
  try {
    document = parsed(text);
  } catch {
    document = { title: `The service answered with status ${status}` };
  }
  const problem = new Problem({ ...document, status });
  if (status === 401) window.dispatchEvent(new CustomEvent("key-needed", { detail: problem }));
  return problem;
}
