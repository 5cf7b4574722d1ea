// What the page says when something does not work, or when it has stopped looking.

import { ApiError } from "./api.js";
import { announce, h } from "./dom.js";

const UNREADABLE = new ApiError("The answer of the service cannot be understood.", {
  next: "Reload the page: the service may be newer than it.",
});

/** An error as a sentence with the next step; `again` repeats what has failed. */
export function errorNotice(problem, again) {
  const error = problem instanceof ApiError ? problem : UNREADABLE;
  if (error !== problem) console.error(problem);
  const isAboutToken = error.status === 401;
  const askForToken = () => document.dispatchEvent(new CustomEvent("token-wanted"));
  return h(
    "div",
    { class: "notice is-error", role: "alert" },
    h("p", {}, h("strong", {}, error.message), " ", error.next),
    h(
      "div",
      { class: "actions" },
      isAboutToken && h("button", { type: "button", class: "primary", onclick: askForToken }, "Enter a token"),
      again && h("button", { type: "button", onclick: again }, "Try again"),
    ),
  );
}

/** Where there is nothing to show. */
export function emptyNotice(title, text) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text && h("p", {}, text));
}

/** A line that says whether what is shown is kept up to date, and what is wrong. Its `report` is one of `poll`. */
export function liveLine(again) {
  const text = h("span", {});
  const line = h("p", { class: "live" }, h("span", { class: "dot", "aria-hidden": "true" }), text);
  const button = h("button", { type: "button", class: "quiet small", onclick: again }, "Refresh");
  const problem = h("div", {});
  const element = h("div", { class: "live-line" }, line, button);
  function report(state, error) {
    const texts = {
      looking: "Updating by itself",
      hidden: "Paused while the tab is hidden",
      failing: "Trying again",
      done: "Ended",
      stopped: "Not updating",
      tired: "Not updating any more: press Refresh to go on",
    };
    line.dataset.state = state;
    text.textContent = texts[state];
    button.hidden = state === "done";
    problem.replaceChildren(...(error ? [errorNotice(error, state === "stopped" ? again : null)] : []));
    if (state === "tired") announce(texts.tired);
  }
  return { element, problem, report };
}
