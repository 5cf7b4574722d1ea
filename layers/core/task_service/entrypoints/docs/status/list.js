// A list: its groups and tasks, redrawn in place while it runs, so that focus stays where it is.

import { actions } from "./actions.js";
import { ask, path } from "./api.js";
import { announce, badge, facts, h, icon, identifier, known } from "./dom.js";
import { between, count, time } from "./format.js";
import { liveLine } from "./notice.js";
import { poll } from "./poll.js";
import { shownText } from "./text.js";

const FINAL = ["done", "failed", "cancelled"];
const STATES = ["done", "failed", "cancelled", "pending", "created"];

/** The view of one list. */
export function list({ parts: [id], title, signal, again }) {
  title("List");
  const live = liveLine(again);
  const acting = actions({ resource: "taskLists", id, noun: "list", after: again });
  const state = h("div", { class: "state" });
  const about = h("div", {});
  const progress = h("div", {});
  const groups = h("ol", { class: "groups" });
  const drawn = new Map();
  let seen = "";
  let before = null;

  async function look() {
    const answer = await ask("GET", path("taskListStatus", id), { signal });
    if (answer.text === seen) return FINAL.includes(before) ? "done" : "same";
    const status = answer.json("status", "groups");
    seen = answer.text;
    show(status);
    if (before !== null && before !== status.status) announce(`The list is ${status.status}.`);
    before = status.status;
    return FINAL.includes(before) ? "done" : "changed";
  }

  function show(status) {
    title(status.name ?? "List");
    state.replaceChildren(badge(status.status));
    acting.offer(status.status);
    const tasks = status.groups.flatMap((group) => group.tasks ?? []);
    about.replaceChildren(description(status));
    progress.replaceChildren(summary(tasks));
    for (const [index, group] of status.groups.entries()) {
      if (!drawn.has(group.id)) {
        const made = drawGroup(group, index, status.groups.length);
        drawn.set(group.id, made);
        groups.append(made.element);
      }
      drawn.get(group.id).show(group);
    }
  }

  poll({ look, report: live.report, signal });
  return [
    identifier(id),
    h("div", { class: "head" }, state, acting.element, live.element),
    acting.problem,
    live.problem,
    about,
    progress,
    groups,
  ];
}

function description(status) {
  const moment = (text) => text && h("time", { datetime: text, title: text }, time(text));
  return facts([
    ["Created", moment(status.createdAt)],
    ["Finished", moment(status.finishedAt)],
    ["Took", between(status.createdAt, status.finishedAt)],
  ]);
}

/** How many tasks are in which state, as words and as a bar. */
function summary(tasks) {
  const numbers = STATES.map((state) => [state, tasks.filter((task) => task.status === state).length]).filter(([, n]) => n);
  const words = numbers.map(([state, number]) => `${number.toLocaleString()} ${state}`).join(", ");
  const ended = tasks.filter((task) => FINAL.includes(task.status)).length;
  return h(
    "div",
    { class: "progress" },
    h("p", {}, h("strong", {}, `${ended.toLocaleString()} of ${count(tasks.length, "task")} ended`), ` – ${words}`),
    h("progress", { max: String(Math.max(1, tasks.length)), value: String(ended), "aria-label": "Tasks that have ended" }),
  );
}

function drawGroup(group, index, number) {
  const state = h("span", {});
  const size = (group.tasks ?? []).length;
  const tiles = h("ol", { class: "tiles" });
  const drawn = new Map();
  const outcome = h("div", { class: "group-outcome" });
  let outcomeText = "";
  const element = h(
    "li",
    { class: "group" },
    h(
      "div",
      { class: "group-head" },
      h("h2", {}, `Group ${index + 1} of ${number}`),
      state,
      h("span", { class: "hint" }, size ? count(size, "task") : "no tasks"),
    ),
    size ? tiles : null,
    outcome,
  );

  function show(now) {
    state.replaceChildren(badge(now.status));
    for (const task of now.tasks ?? []) {
      if (!drawn.has(task.id)) {
        const made = drawTile(task);
        drawn.set(task.id, made);
        tiles.append(made.element);
      }
      drawn.get(task.id).show(task);
    }
    const text = JSON.stringify([now.error, now.result]);
    if (text === outcomeText) return;
    outcomeText = text;
    outcome.replaceChildren(
      ...(now.error ? [h("h3", {}, "Error of the group"), h("pre", { class: "text is-error", tabindex: "0" }, now.error)] : []),
      ...(now.result === undefined ? [] : [h("h3", {}, "Result of the group"), ...shownText(JSON.stringify(now.result), `${now.id}.json`)]),
    );
  }
  return { element, show };
}

function drawTile(task) {
  const word = h("span", { class: "tile-state" });
  const symbol = h("span", { class: "tile-icon" });
  const position = task.id.slice(task.id.lastIndexOf(".") + 1);
  const name = h("span", { class: "tile-name" }, task.name ?? `Task ${Number(position) + 1}`);
  const link = h("a", { href: `#/task/${encodeURIComponent(task.id)}`, title: task.id }, symbol, name, word);
  let state = "";
  function show(now) {
    if (now.status === state) return;
    state = now.status;
    link.className = `tile is-${known(state)}`;
    symbol.replaceChildren(icon(state));
    word.textContent = state;
  }
  return { element: h("li", {}, link), show };
}
