// The dialog for the API key of a service that is not open to everyone.

import { apiKey } from "./api.js";
import { h, freshId } from "./dom.js";

/** Ask for the key; resolves to whether one was entered or taken away. */
export function askForKey(reason = "") {
  const open = document.querySelector("dialog.key");
  if (open) return Promise.resolve(false);
  return new Promise((resolve) => {
    const id = freshId("key");
    const field = h("input", { id, type: "password", autocomplete: "off", spellcheck: "false", value: apiKey.text });
    const dialog = h("dialog", {
      class: "key",
      onclose: () => {
        dialog.remove();
        resolve(dialog.returnValue === "changed");
      },
    });
    const keep = (text) => {
      apiKey.text = text.trim();
      dialog.close("changed");
    };
    const form = h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          keep(field.value);
        },
      },
      h("h2", {}, "API key"),
      reason && h("p", { class: "problem" }, reason),
      h("label", { for: id }, "Key of this service"),
      field,
      h(
        "p",
        { class: "hint" },
        "Kept until this tab is closed, and sent to this service only. Made with ",
        h("code", {}, "relucensus keys create NAME"),
        ".",
      ),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "submit", class: "primary" }, "Use this key"),
        apiKey.text && h("button", { type: "button", class: "quiet", onclick: () => keep("") }, "Forget it"),
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close("") }, "Close"),
      ),
    );
    dialog.append(form);
    document.body.append(dialog);
    dialog.showModal();
    field.focus();
  });
}
