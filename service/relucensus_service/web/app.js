// The page: which view the address asks for, colours, the API key.

import { apiKey } from "./api.js";
import { askForKey } from "./key.js";
import { showJob } from "./job.js";
import { showJobs } from "./jobs.js";
import { showNewCount } from "./new-count.js";

const main = document.getElementById("main");
let leave = () => {};

/** Views by the beginning of the address behind #. Each gets the place to draw in and a signal that it is left. */
const ROUTES = [
  [/^#\/jobs$/, "jobs", (place, signal) => showJobs(place, signal)],
  [/^#\/job\/([0-9A-Za-z-]{1,40})$/, "jobs", (place, signal, id) => showJob(place, signal, id)],
  [/^#\/again\/([0-9A-Za-z-]{1,40})$/, "new", (place, signal, id) => showNewCount(place, signal, id)],
  [/^/, "new", (place, signal) => showNewCount(place, signal)],
];

function route(moved = true) {
  leave();
  const left = new AbortController();
  leave = () => left.abort();
  const [pattern, name, show] = ROUTES.find(([known]) => known.test(location.hash));
  for (const link of document.querySelectorAll("nav a[data-route]")) {
    if (link.dataset.route === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const place = document.createElement("div");
  main.replaceChildren(place);
  show(place, left.signal, pattern.exec(location.hash)[1]);
  if (moved) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function showTheme() {
  const button = document.getElementById("theme-button");
  const names = { system: "Auto", light: "Light", dark: "Dark" };
  const theme = document.documentElement.dataset.theme;
  button.textContent = names[theme];
  button.setAttribute("aria-label", `Colours: ${names[theme]}. Change`);
}

document.getElementById("theme-button").addEventListener("click", () => {
  const { order } = window.relucensusTheme;
  const now = document.documentElement.dataset.theme;
  window.relucensusTheme.choose(order[(order.indexOf(now) + 1) % order.length]);
  showTheme();
  window.dispatchEvent(new Event("theme-changed"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  window.dispatchEvent(new Event("theme-changed")),
);

function showKey() {
  const button = document.getElementById("key-button");
  button.textContent = apiKey.text ? "Key ✓" : "Key";
  button.setAttribute("aria-label", apiKey.text ? "API key: set. Change" : "API key: none. Enter one");
}

async function changeKey(reason) {
  if (await askForKey(reason)) {
    showKey();
    route();
  }
}

document.getElementById("key-button").addEventListener("click", () => changeKey());
window.addEventListener("key-needed", () =>
  changeKey(apiKey.text ? "The service does not accept this key." : "The service asks for an API key."),
);
// The address behind # names the view, so this link cannot be followed as others are.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", () => route());

showTheme();
showKey();
route(false);
