// The chosen colours, set before anything is drawn. "system" follows the device.
"use strict";

window.relucensusTheme = {
  order: ["system", "light", "dark"],
  get chosen() {
    try {
      return localStorage.getItem("relucensus-theme") ?? "system";
    } catch {
      return "system";
    }
  },
  choose(name) {
    document.documentElement.dataset.theme = name;
    try {
      localStorage.setItem("relucensus-theme", name);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  },
};
document.documentElement.dataset.theme = window.relucensusTheme.chosen;
