// The page's frame: which view the address asks for, the token, and opening something by its id.

import { ask, token } from "./api.js";
import { announce, h } from "./dom.js";
import { failures } from "./failures.js";
import { list } from "./list.js";
import { errorNotice } from "./notice.js";
import { search } from "./search.js";
import { task } from "./task.js";
import { template, templates } from "./templates.js";

// What follows # in the address: the view's name, its parts, and a query. A token is never in it.
const VIEWS = {
  tasks: { view: (at) => search("tasks", at), nav: "#/tasks" },
  lists: { view: (at) => search("taskLists", at), nav: "#/lists" },
  failed: { view: failures, nav: "#/failed" },
  task: { view: task, nav: "#/tasks" },
  list: { view: list, nav: "#/lists" },
  templates: { view: templates, nav: "#/templates/task" },
  template: { view: template, nav: "#/templates/task" },
  id: { view: opened, nav: "#/tasks" },
};

const main = document.getElementById("main");
let shown = new AbortController();

/** Show the view of the address. */
function show({ focus = true, scroll = focus } = {}) {
  shown.abort();
  shown = new AbortController();
  const { name, parts, query } = address();
  const { view, nav } = VIEWS[name] ?? VIEWS.tasks;
  const at = { parts, query: new URLSearchParams(query), signal: shown.signal, again: () => show({ scroll: false }) };
  const heading = h("h1", { tabindex: "-1" });
  const title = (text) => {
    heading.textContent = text;
    document.title = `${text} – Task service`;
  };
  let content;
  try {
    content = view({ ...at, title });
  } catch (error) {
    title("Something went wrong");
    content = [errorNotice(error)];
  }
  main.replaceChildren(heading, ...content);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === nav) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (scroll) scrollTo(0, 0);
  if (focus) heading.focus({ preventScroll: true });
}

/** The view that the address names. An id alone (`#<id>`) names the task or the list that has it. */
function address() {
  const hash = location.hash.slice(1);
  if (hash && !hash.startsWith("/")) return { name: "id", parts: [decoded(hash)], query: "" };
  const [path, query] = hash.slice(1).split("?");
  const [name, ...parts] = path.split("/").map(decoded);
  return { name, parts, query };
}

/** The address of the task or list that has this id. */
async function addressOf(id, signal) {
  const encoded = encodeURIComponent(id);
  const asTask = await ask("GET", `taskStatus/${encoded}`, { accept: [404], signal });
  if (asTask.status !== 404) return `#/task/${encoded}`;
  await ask("GET", `taskListStatus/${encoded}`, { signal });
  return `#/list/${encoded}`;
}

function opened({ parts: [id], title, signal, again }) {
  title("Opening");
  const body = h("div", {}, h("p", { class: "mono" }, id));
  addressOf(id, signal).then(
    (found) => location.replace(found),
    (error) => signal.aborted || body.replaceChildren(errorNotice(error, again)),
  );
  return [body];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// -- the token

const tokenButton = document.getElementById("token");

function showWhetherThereIsAToken() {
  tokenButton.textContent = token.get() ? "Token set" : "Token";
}

function askForToken() {
  const input = h("input", {
    id: "token-value",
    class: "mono",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    autofocus: true,
    "aria-describedby": "token-about token-fault",
  });
  const fault = h("p", { id: "token-fault", class: "fault", role: "alert" });
  const close = () => dialog.close();
  const use = (event) => {
    event.preventDefault();
    // What people copy often has the header's first word, or a line break.
    const value = input.value.trim().replace(/^bearer\s+/i, "");
    if (!/^[\x21-\x7e]+$/.test(value)) {
      fault.textContent = "A token is one word of letters, digits and signs: paste it whole, without spaces.";
      input.focus();
      return;
    }
    token.set(value);
    changed("The token is set.");
  };
  const forget = () => {
    token.set("");
    changed("The token is forgotten.");
  };
  function changed(text) {
    close();
    showWhetherThereIsAToken();
    show({ focus: false });
    announce(text);
  }
  const dialog = h(
    "dialog",
    { "aria-labelledby": "token-title", onclose: () => dialog.remove() },
    h(
      "form",
      { onsubmit: use },
      h("h2", { id: "token-title" }, "Token"),
      h("label", { for: "token-value" }, "Bearer token"),
      input,
      h(
        "p",
        { id: "token-about", class: "hint" },
        "It stays in this tab until you close it, and is sent to this service only.",
      ),
      fault,
      h(
        "div",
        { class: "actions" },
        token.get() && h("button", { type: "button", class: "quiet", onclick: forget }, "Forget the token"),
        h("button", { type: "button", class: "quiet", onclick: close }, "Close"),
        h("button", { class: "primary" }, "Use it"),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

// -- opening by id

const openForm = document.getElementById("open");
const openError = document.getElementById("open-error");

async function open(event) {
  event.preventDefault();
  const id = openForm.querySelector("input").value.trim();
  openError.textContent = id ? "" : "Enter an id first.";
  if (!id) return;
  try {
    const found = await addressOf(id);
    openForm.reset();
    location.hash = found;
  } catch (error) {
    openError.textContent = error.status === 404 ? "No task and no list has this id." : `${error.message} ${error.next ?? ""}`;
  }
}

document.getElementById("skip").addEventListener("click", (event) => {
  // The address is the view's.
  event.preventDefault();
  main.focus();
});
document.addEventListener("token-wanted", askForToken);
tokenButton.addEventListener("click", askForToken);
openForm.addEventListener("submit", open);
addEventListener("hashchange", () => {
  openError.textContent = "";
  show();
});
showWhetherThereIsAToken();
show({ focus: false });
