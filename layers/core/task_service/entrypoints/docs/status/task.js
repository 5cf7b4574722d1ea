// A task: where it stands, its attempts, its result.

import { actions } from "./actions.js";
import { ask, path } from "./api.js";
import { announce, badge, facts, h, identifier, row, table } from "./dom.js";
import { between, duration, time } from "./format.js";
import { errorNotice, liveLine } from "./notice.js";
import { poll } from "./poll.js";
import { shownText } from "./text.js";

const ATTEMPT_COLUMNS = [
  ["Attempt", "is-narrow"],
  ["Started", "is-time"],
  ["Took", "is-number"],
  ["HTTP", "is-number"],
  ["Error", "on-wide"],
];

/** The view of one task. */
export function task({ parts: [id], title, signal, again }) {
  title("Task");
  const list = /^(.+)\.\d+\.\d+$/.exec(id)?.[1];
  const live = liveLine(again);
  const acting = actions({ resource: "tasks", id, noun: "task", after: again });
  const state = h("div", { class: "state" });
  const about = h("div", {});
  const attempts = h("section", { hidden: true, "aria-labelledby": "attempts" });
  const outcome = h("section", { hidden: true, "aria-labelledby": "outcome" });
  let seen = "";
  let before = null;

  async function look() {
    const answer = await ask("GET", path("taskStatus", id), { signal });
    if (answer.text === seen) return isFinal(before) ? "done" : "same";
    const status = answer.json("name", "status", "attempts");
    seen = answer.text;
    await show(status);
    if (before !== null && before !== status.status) announce(`The task is ${status.status}.`);
    before = status.status;
    return isFinal(before) ? "done" : "changed";
  }

  async function show(status) {
    title(status.name);
    state.replaceChildren(badge(status.status));
    about.replaceChildren(description(status));
    if (!list) acting.offer(status.status);
    attempts.hidden = !(status.history ?? []).length;
    attempts.replaceChildren(h("h2", { id: "attempts" }, "Attempts"), attemptsTable(status.history ?? []));
    outcome.hidden = !isFinal(status.status);
    if (status.error && isFinal(status.status)) {
      outcome.replaceChildren(h("h2", { id: "outcome" }, "Error"), h("pre", { class: "text is-error", tabindex: "0" }, status.error));
    } else if (status.status === "done") {
      outcome.replaceChildren(h("h2", { id: "outcome" }, "Result"), ...(await result(id, signal)));
    }
  }

  poll({ look, report: live.report, signal });
  return [
    list && h("p", { class: "lead" }, "Part of the list ", h("a", { href: `#/list/${encodeURIComponent(list)}`, class: "mono" }, list),
      ", which is cancelled and replayed as a whole."),
    identifier(id),
    h("div", { class: "head" }, state, acting.element, live.element),
    acting.problem,
    live.problem,
    about,
    attempts,
    outcome,
  ].filter(Boolean);
}

function isFinal(state) {
  return ["done", "failed", "cancelled"].includes(state);
}

function description(status) {
  const moment = (text) => text && h("time", { datetime: text, title: text }, time(text));
  const origin = status.finalOrigin && h("span", { class: "mono" }, status.finalOrigin);
  return facts([
    ["Created", moment(status.createdAt)],
    ["Started", moment(status.startedAt)],
    ["Finished", moment(status.finishedAt)],
    ["Took", between(status.startedAt, status.finishedAt)],
    ["Next attempt", moment(status.notBefore)],
    ["Attempts", String(status.attempts)],
    ["HTTP status", status.responseCode === null ? null : String(status.responseCode)],
    ["Last error", !isFinal(status.status) && status.error ? status.error : null],
    ["Redirects", status.redirects ? String(status.redirects) : null],
    ["Redirected to", origin],
    ["Created by", status.createdBy],
    ["Cancelled by", status.cancelledBy],
    ["Replayed by", status.replayedBy],
    ["Trace", status.traceId && h("span", { class: "mono" }, status.traceId)],
  ]);
}

function attemptsTable(history) {
  const lengths = history.map(({ startedAt, finishedAt }) => (finishedAt ? new Date(finishedAt) - new Date(startedAt) : 0));
  const longest = Math.max(1, ...lengths);
  const rows = history.flatMap((attempt, index) => [
    row(ATTEMPT_COLUMNS, [
      [h("span", { class: "attempt-number" }, String(attempt.attempt)), badge(attempt.error === null ? "done" : "failed")],
      [attempt.startedAt ? h("time", { datetime: attempt.startedAt, title: attempt.startedAt }, time(attempt.startedAt)) : "–"],
      [attempt.finishedAt ? duration(lengths[index]) : "–", meter(lengths[index] / longest)],
      [attempt.responseCode === null ? "–" : String(attempt.responseCode)],
      [attempt.error ?? "–"],
    ]),
    // A narrow screen has no room for another column.
    attempt.error !== null && h("tr", { class: "on-narrow" }, h("td", { colspan: "4" }, attempt.error)),
  ]);
  return h("div", { class: "table" }, table("Attempts", ATTEMPT_COLUMNS, rows));
}

/** A bar of that share; its number stands beside it. */
function meter(share) {
  return h("progress", { max: "1", value: String(share), "aria-hidden": "true" });
}

async function result(id, signal) {
  try {
    const { text } = await ask("GET", path("taskResult", id), { signal });
    return shownText(text, `${id}.json`);
  } catch (error) {
    if (signal.aborted) throw error;
    return [errorNotice(error)];
  }
}
