// Recent tasks, or recent lists: the API's search, with its filters.

import { askPage } from "./api.js";
import { announce, badge, h, row, table } from "./dom.js";
import { between, count, time } from "./format.js";
import { emptyNotice, errorNotice } from "./notice.js";

const STATES = ["created", "pending", "done", "failed", "cancelled"];

const KINDS = {
  tasks: {
    title: "Tasks",
    noun: "task",
    link: "task",
    view: "tasks",
    columns: [
      ["State", "is-narrow"],
      ["Task", "is-wide"],
      ["Attempts", "is-number on-wide"],
      ["HTTP", "is-number on-wide"],
      ["Created", "is-time"],
      ["Took", "is-number on-wide"],
    ],
    cells: (item) => [
      [badge(item.status)],
      [named("task", item), item.error && h("p", { class: "excerpt" }, item.error)],
      [String(item.attempts)],
      [item.responseCode === null ? "–" : String(item.responseCode)],
      [moment(item.createdAt)],
      [between(item.startedAt, item.finishedAt) ?? "–"],
    ],
    hint: "Tasks of a list are shown with their list.",
  },
  taskLists: {
    title: "Lists",
    noun: "list",
    link: "list",
    view: "lists",
    columns: [
      ["State", "is-narrow"],
      ["List", "is-wide"],
      ["Created", "is-time"],
      ["Took", "is-number on-wide"],
    ],
    cells: (item) => [
      [badge(item.status)],
      [named("list", item)],
      [moment(item.createdAt)],
      [between(item.createdAt, item.finishedAt) ?? "–"],
    ],
    hint: "",
  },
};

/** The view of recent tasks or lists. */
export function search(resource, { query, title, signal, again }) {
  const kind = KINDS[resource];
  title(kind.title);
  const filter = wanted(query);
  const body = h("tbody", {});
  const more = h("button", { type: "button", onclick: () => load() }, "Show more");
  const found = h("div", { class: "table", hidden: true });
  const foot = h("div", { class: "foot" });
  let next = null;
  let number = 0;

  async function load() {
    more.disabled = true;
    foot.setAttribute("aria-busy", "true");
    try {
      const page = await askPage("GET", resource, { query: { ...filter, limit: "50", next }, signal });
      add(page.items ?? []);
      next = page.next;
      tell();
    } catch (error) {
      if (!signal.aborted) foot.replaceChildren(errorNotice(error, number ? () => load() : again));
    }
    more.disabled = false;
    foot.removeAttribute("aria-busy");
  }

  function add(items) {
    body.append(...items.map((item) => row(kind.columns, kind.cells(item))));
    number += items.length;
    found.hidden = number === 0;
  }

  function tell() {
    const sum = `${count(number, kind.noun)}${next ? ", and there may be more" : ""}`;
    announce(sum);
    if (number === 0 && !next) {
      const isFiltered = Object.keys(filter).length > 0;
      foot.replaceChildren(
        isFiltered
          ? emptyNotice(`No ${kind.noun} matches`, "Change the filter, or clear it.")
          : emptyNotice(`No ${kind.noun} yet`, `A ${kind.noun} appears here a moment after it is created.`),
      );
      return;
    }
    const nothing = number === 0 && h("p", { class: "hint" }, "Nothing found so far: the search has not looked at all.");
    foot.replaceChildren(h("p", { class: "hint" }, sum), ...(nothing ? [nothing] : []), ...(next ? [more] : []));
  }

  const whole = table(kind.title, kind.columns, []);
  whole.tBodies[0].replaceWith(body);
  found.append(whole);
  foot.append(h("p", { class: "hint" }, "Loading…"));
  load();
  return [
    kind.hint && h("p", { class: "lead" }, kind.hint),
    form(kind, query, again),
    found,
    foot,
  ].filter(Boolean);
}

function form(kind, query, again) {
  const field = (name, label, input) => h("div", { class: "field" }, h("label", { for: `filter-${name}` }, label), input);
  const state = h(
    "select",
    { id: "filter-state", name: "state" },
    h("option", { value: "" }, "any"),
    STATES.map((value) => h("option", { value, selected: query.get("state") === value }, value)),
  );
  const text = (name, type) =>
    h("input", { id: `filter-${name}`, name, type, value: query.get(name) ?? "", autocomplete: "off", step: type === "text" ? null : 1 });
  function apply(event) {
    event.preventDefault();
    go(new URLSearchParams([...new FormData(event.target)].filter(([, value]) => value)));
  }
  function go(parameters) {
    const hash = `#/${kind.view}${parameters.size ? `?${parameters}` : ""}`;
    // The same filter again asks for what is new.
    if (location.hash === hash) again();
    else location.hash = hash;
  }
  return h(
    "form",
    { class: "filter", onsubmit: apply, "aria-label": "Filter" },
    field("state", "State", state),
    field("name", "Template", text("name", "text")),
    field("since", "Created since", text("since", "datetime-local")),
    field("until", "and before", text("until", "datetime-local")),
    h(
      "div",
      { class: "actions" },
      h("button", { class: "primary" }, "Search"),
      h("button", { type: "button", class: "quiet", onclick: () => go(new URLSearchParams()) }, "Clear"),
    ),
  );
}

/** The filter in the API's form; the form's times are in the reader's zone. */
function wanted(query) {
  const filter = {};
  for (const name of ["state", "name"]) if (query.get(name)) filter[name] = query.get(name);
  for (const name of ["since", "until"]) {
    const moment = new Date(query.get(name) || NaN);
    if (!Number.isNaN(moment.getTime())) filter[name] = moment.toISOString();
  }
  return filter;
}

function named(link, item) {
  return h(
    "div",
    {},
    h("a", { class: "name", href: `#/${link}/${encodeURIComponent(item.id)}` }, item.name),
    h("span", { class: "mono id" }, item.id),
  );
}

function moment(text) {
  return h("time", { datetime: text, title: text }, time(text));
}
