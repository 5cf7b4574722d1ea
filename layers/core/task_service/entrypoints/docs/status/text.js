// A JSON text as it came: numbers and the order of members stay what they are.

import { h } from "./dom.js";
import { indented } from "./format.js";

const LONGEST_SHOWN = 200_000;

/** A JSON text, cut where it is very long, with a button that saves the whole. */
export function shownText(text, name) {
  const isCut = text.length > LONGEST_SHOWN;
  const save = () => {
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  const shown = isCut ? text.slice(0, LONGEST_SHOWN) : indented(text);
  return [
    h("pre", { class: "text", tabindex: "0" }, shown),
    isCut && h("p", { class: "hint" }, `The first ${LONGEST_SHOWN.toLocaleString()} of ${text.length.toLocaleString()} characters.`),
    h("button", { type: "button", class: "quiet small", onclick: save }, "Save as a file"),
  ].filter(Boolean);
}
