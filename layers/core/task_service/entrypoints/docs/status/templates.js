// Templates of tasks and of lists: shown, and written where the deployment allows it.

import { ApiError, ask, askPage, path } from "./api.js";
import { announce, h, row, table } from "./dom.js";
import { count, indented } from "./format.js";
import { emptyNotice, errorNotice } from "./notice.js";

const KINDS = {
  task: {
    title: "Task templates",
    noun: "task template",
    resource: "taskTemplates",
    columns: [
      ["Name", "is-main"],
      ["Method", "is-narrow on-wide"],
      ["Calls", "mono"],
    ],
    cells: (item) => [item.method ?? "–", item.requestPolicy ? `policy ${item.requestPolicy}` : (item.url ?? "–")],
    example: { url: "https://target.example/path", method: "POST" },
  },
  list: {
    title: "List templates",
    noun: "list template",
    resource: "taskListTemplates",
    columns: [
      ["Name", "is-main"],
      ["Groups", "is-number on-wide"],
      ["Tasks", ""],
    ],
    cells: (item) => [
      String((item.groups ?? []).length),
      (item.groups ?? []).map((group) => `${group.execution}: ${(group.tasks ?? []).join(", ")}`).join(" · "),
    ],
    example: { groups: [{ execution: "parallel", tasks: ["the-name-of-a-task-template"] }] },
  },
};

// Stands for a header's value where the token may not see it.
const HIDDEN = "***";

// What was written in an editor and not saved, by the template's address; kept while the page is open.
const drafts = new Map();

addEventListener("beforeunload", (event) => {
  if (drafts.size) event.preventDefault();
});

/** The view of all templates of a kind. */
export function templates({ parts: [name], title, signal, again }) {
  const kind = KINDS[name] ?? KINDS.task;
  const link = KINDS[name] ? name : "task";
  title(kind.title);
  const body = h("tbody", {});
  const found = h("div", { class: "table", hidden: true });
  const whole = table(kind.title, kind.columns, []);
  whole.tBodies[0].replaceWith(body);
  found.append(whole);
  const foot = h("div", { class: "foot" }, h("p", { class: "hint" }, "Loading…"));
  const more = h("button", { type: "button", onclick: () => load() }, "Show more");
  let next = null;
  let number = 0;

  async function load() {
    try {
      const page = await askPage("GET", kind.resource, { query: { limit: "100", next }, signal });
      for (const item of page.items) body.append(row(kind.columns, [[named(link, item.name)], ...kind.cells(item).map((cell) => [cell])]));
      next = page.next;
      number += page.items.length;
      found.hidden = number === 0;
      foot.replaceChildren(
        ...(number ? [h("p", { class: "hint" }, count(number, "template"))] : [emptyNotice(`No ${kind.noun} yet`, "Write the first one.")]),
        ...(next ? [more] : []),
      );
    } catch (error) {
      if (!signal.aborted) foot.replaceChildren(errorNotice(error, again));
    }
  }

  load();
  return [
    h(
      "div",
      { class: "filter" },
      h(
        "ul",
        { class: "tabs" },
        Object.entries(KINDS).map(([key, one]) =>
          h("li", {}, h("a", { href: `#/templates/${key}`, "aria-current": key === link ? "true" : null }, one.title)),
        ),
      ),
      h("div", { class: "actions" }, h("a", { class: "button primary", href: `#/template/${link}` }, `New ${kind.noun}`)),
    ),
    found,
    foot,
  ];
}

/** The view of one template; without a name, of a new one. */
export function template({ parts: [key, name], title, signal, again }) {
  const kind = KINDS[key] ?? KINDS.task;
  const draft = `${key}/${name ?? ""}`;
  title(name ?? `New ${kind.noun}`);
  const problem = h("div", {});
  const body = h("div", {}, h("p", { class: "hint" }, "Loading…"));
  const back = h("p", { class: "lead" }, h("a", { href: `#/templates/${key}` }, kind.title));
  if (name === undefined) {
    body.replaceChildren(editor(indented(JSON.stringify(kind.example)), null));
  } else {
    load();
  }

  async function load() {
    try {
      const answer = await ask("GET", path(kind.resource, name), { signal });
      body.replaceChildren(editor(indented(answer.text), answer.headers.get("ETag")));
    } catch (error) {
      if (!signal.aborted) body.replaceChildren(errorNotice(error, again));
    }
  }

  function editor(stored, etag) {
    let version = etag;
    const nameInput = h("input", { id: "template-name", class: "mono", value: "", required: true, autocomplete: "off", spellcheck: "false" });
    const text = h("textarea", { id: "template-text", class: "mono", spellcheck: "false", rows: "18", wrap: "off" });
    text.value = drafts.get(draft) ?? stored;
    const save = h("button", { class: "primary" }, "Save");
    const discard = h("button", { type: "button", class: "quiet", onclick: () => (drafts.delete(draft), again()) }, "Discard changes");
    discard.hidden = !drafts.has(draft);
    text.addEventListener("input", () => {
      drafts.set(draft, text.value);
      discard.hidden = false;
    });
    const note = drafts.has(draft) ? "These are your changes, which are not saved yet." : "";

    async function write(event) {
      event.preventDefault();
      problem.replaceChildren();
      if (hidesValues(text.value)) {
        problem.replaceChildren(errorNotice(
          new ApiError(`Values of headers are hidden from this token, and saving would write ${HIDDEN} in their place.`, {
            next: "Use a token that may change templates, then open this one again.",
          }),
        ));
        return;
      }
      save.disabled = true;
      try {
        const target = name ?? nameInput.value.trim();
        const headers = version === null ? { "If-None-Match": "*" } : { "If-Match": version };
        const answer = await ask("PUT", path(kind.resource, target), { body: text.value, headers });
        version = answer.headers.get("ETag");
        drafts.delete(draft);
        discard.hidden = true;
        announce("The template is saved.");
        if (name === undefined) location.hash = `#/template/${key}/${encodeURIComponent(target)}`;
        else problem.replaceChildren(h("div", { class: "notice is-good" }, h("p", {}, "Saved. Functions that have it in memory use the old one for half a minute more.")));
      } catch (error) {
        problem.replaceChildren(errorNotice(explained(error, version === null)));
      }
      save.disabled = false;
    }

    return h(
      "form",
      { class: "editor", onsubmit: write },
      name === undefined && h("div", { class: "field" }, h("label", { for: "template-name" }, "Name"), nameInput),
      h("div", { class: "field" }, h("label", { for: "template-text" }, "Template, as JSON"), text),
      note && h("p", { class: "hint" }, note),
      problem,
      h("div", { class: "actions" }, save, discard),
    );
  }

  return [back, body];
}

/** What a refusal to write a template means here. */
function explained(error, isNew) {
  if (error.status === 412) {
    return isNew
      ? new ApiError("There is a template of this name already.", { next: "Choose another name, or open that one." })
      : new ApiError("The template has been changed since you opened it.", {
          next: "Copy your changes, then discard them to see it as it is now.",
        });
  }
  if (error.status === 403) {
    return new ApiError(error.message, { next: "Templates can be written where the deployment and the token allow it." });
  }
  return error;
}

function hidesValues(text) {
  try {
    return Object.values(JSON.parse(text).headers ?? {}).includes(HIDDEN);
  } catch {
    // The service says what is wrong with the text, and where.
    return false;
  }
}

function named(link, name) {
  return h("a", { class: "name", href: `#/template/${link}/${encodeURIComponent(name)}` }, name);
}
