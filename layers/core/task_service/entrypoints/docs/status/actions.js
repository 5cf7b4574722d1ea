// Cancelling and replaying a task or a list.

import { ask, path } from "./api.js";
import { announce, confirm, h } from "./dom.js";
import { errorNotice } from "./notice.js";

const ASKED = {
  cancel: {
    label: "Cancel",
    title: "Cancel it?",
    text: "What has not started never starts. The result of a call that is running is discarded.",
    action: "Cancel it",
    danger: true,
  },
  replay: {
    label: "Replay",
    title: "Replay it?",
    text: "What has failed starts again, with the same request and with the template as it was then. What is done stays as it is.",
    action: "Replay it",
    danger: false,
  },
};

/** Buttons that cancel and replay; `after` is called once the service has done it. */
export function actions({ resource, id, noun, after }) {
  const problem = h("div", {});
  const buttons = Object.fromEntries(
    Object.entries(ASKED).map(([name, asked]) => [name, button(name, asked)]),
  );

  function button(name, asked) {
    const element = h("button", { type: "button", hidden: true, class: asked.danger ? "danger" : "primary" }, asked.label);
    element.addEventListener("click", async () => {
      const title = asked.title.replace("it", `this ${noun}`);
      if (!(await confirm({ ...asked, title }))) return;
      element.disabled = true;
      problem.replaceChildren();
      try {
        await ask("POST", `${path(resource, id)}/${name}`);
        announce(name === "cancel" ? `The ${noun} is cancelled.` : `The ${noun} starts again.`);
        after();
      } catch (error) {
        problem.replaceChildren(errorNotice(error));
      }
      element.disabled = false;
    });
    return element;
  }

  /** Offer what the state allows. */
  function offer(state) {
    const hadFocus = Object.values(buttons).includes(document.activeElement);
    buttons.cancel.hidden = !["created", "pending"].includes(state);
    buttons.replay.hidden = state !== "failed";
    if (hadFocus && document.activeElement.hidden) {
      const other = Object.values(buttons).find((one) => !one.hidden);
      (other ?? document.querySelector("h1")).focus();
    }
  }

  return { element: h("div", { class: "actions" }, Object.values(buttons)), problem, offer };
}
