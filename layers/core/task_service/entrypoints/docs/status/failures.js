// How many tasks and lists have failed, by template, and replaying those of one template.

import { askPage } from "./api.js";
import { announce, confirm, h, row, table } from "./dom.js";
import { count, time } from "./format.js";
import { emptyNotice, errorNotice } from "./notice.js";

const HOURS = [
  ["1", "the last hour"],
  ["24", "the last 24 hours"],
  ["168", "the last 7 days"],
  ["720", "the last 30 days"],
];
// Pages of 100: what one look at this view may ask for.
const MOST_PAGES = 10;
const MOST_REPLAY_PAGES = 100;

const KINDS = {
  tasks: { title: "Failed tasks", noun: "task", view: "tasks" },
  taskLists: { title: "Failed lists", noun: "list", view: "lists" },
};

const COLUMNS = [
  ["Template", "is-main"],
  ["Failed", "is-number"],
  ["Last created", "is-time on-wide"],
  ["Last error", "on-wide"],
  ["Action", "is-narrow"],
];

/** The view of what has failed. */
export function failures({ query, title, signal, again }) {
  title("Failures");
  const hours = HOURS.some(([value]) => value === query.get("hours")) ? query.get("hours") : "24";
  const since = new Date(Date.now() - Number(hours) * 3_600_000).toISOString();
  const select = h(
    "select",
    { id: "hours", onchange: (event) => (location.hash = `#/failed?hours=${event.target.value}`) },
    HOURS.map(([value, text]) => h("option", { value, selected: value === hours }, text)),
  );
  const at = { since, signal, again };
  return [
    h(
      "div",
      { class: "filter" },
      h("div", { class: "field" }, h("label", { for: "hours" }, "Created in"), select),
      h("div", { class: "actions" }, h("button", { type: "button", onclick: again }, "Refresh")),
    ),
    section("tasks", at),
    section("taskLists", at),
  ];
}

function section(resource, at) {
  const kind = KINDS[resource];
  const body = h("div", { class: "stack" }, h("p", { class: "hint" }, "Loading…"));
  load(resource, at, body);
  return h("section", { "aria-labelledby": `failed-${resource}` }, h("h2", { id: `failed-${resource}` }, kind.title), body);
}

async function load(resource, at, body) {
  const kind = KINDS[resource];
  try {
    const { names, isWhole } = await counted(resource, at);
    if (!names.length) {
      body.replaceChildren(
        isWhole ? emptyNotice(`No failed ${kind.noun}s`, "None of those created in this time has failed.") : emptyNotice("Nothing found so far", "Choose a shorter time."),
      );
      return;
    }
    const total = names.reduce((sum, [, { number }]) => sum + number, 0);
    body.replaceChildren(
      h("p", { class: "hint" }, `${isWhole ? "" : "At least "}${count(total, kind.noun)}, by template`),
      h("div", { class: "table" }, table(kind.title, COLUMNS, names.map((name) => rowOf(resource, name, at, isWhole)))),
    );
  } catch (error) {
    if (!at.signal.aborted) body.replaceChildren(errorNotice(error, at.again));
  }
}

/** The failed ones by template, the most first, and whether these are all. */
async function counted(resource, { since, signal }) {
  const names = new Map();
  let next = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await askPage("GET", resource, { query: { state: "failed", since, limit: "100", next }, signal });
    for (const item of answer.items) {
      const before = names.get(item.name) ?? { number: 0, createdAt: item.createdAt, error: item.error };
      names.set(item.name, { ...before, number: before.number + 1 });
    }
    next = answer.next;
    if (!next) break;
  }
  return { names: [...names].sort(([, one], [, other]) => other.number - one.number), isWhole: !next };
}

function rowOf(resource, [name, { number, createdAt, error }], at, isWhole) {
  const kind = KINDS[resource];
  const found = new URLSearchParams({ state: "failed", name });
  const outcome = h("p", { class: "hint", role: "status" });
  const button = h("button", { type: "button", class: "small", "aria-label": `Replay all of ${name}` }, "Replay all");
  button.addEventListener("click", async () => {
    const sure = await confirm({
      title: `Replay the failed ${kind.noun}s of ${name}?`,
      text: `${isWhole ? "" : "At least "}${count(number, kind.noun)} will start again, with the same requests.`,
      action: "Replay them",
    });
    if (!sure) return;
    button.disabled = true;
    try {
      outcome.textContent = await replayAll(resource, name, at, (text) => (outcome.textContent = text));
      announce(outcome.textContent);
    } catch (problem) {
      if (!at.signal.aborted) outcome.replaceChildren(errorNotice(problem));
    }
    button.disabled = false;
  });
  return row(COLUMNS, [
    [h("a", { class: "name", href: `#/${kind.view}?${found}` }, name)],
    [number.toLocaleString()],
    [h("time", { datetime: createdAt, title: createdAt }, time(createdAt))],
    [error ? h("p", { class: "excerpt" }, error) : "–"],
    [button, outcome],
  ]);
}

/** Replay page by page. Returns what has become of it. */
async function replayAll(resource, name, { since, signal }, tell) {
  const until = new Date().toISOString();
  let next = null;
  let replayed = 0;
  let skipped = 0;
  for (let page = 0; page < MOST_REPLAY_PAGES; page += 1) {
    const asked = { resource, name, since, until, ...(next ? { next } : {}) };
    const answer = await askPage("POST", "replays", { body: JSON.stringify(asked), signal });
    replayed += answer.items.length;
    skipped += answer.skipped.length;
    next = answer.next;
    if (!next) break;
    tell(`${replayed.toLocaleString()} so far…`);
  }
  return `${count(replayed, KINDS[resource].noun)} replayed${skipped ? `, ${skipped} skipped` : ""}${next ? "; press again for the rest" : ""}.`;
}
