// Elements, made without markup: whatever a target has answered, text stays text.

const SVG = "http://www.w3.org/2000/svg";

// The shape that goes with a state, so that no state is shown by its colour alone.
const SHAPES = {
  created: ["M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z"],
  pending: ["M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z", "M8 5v3l2 1.6"],
  done: ["M3 8.6l3.2 3.2L13 4.8"],
  failed: ["M4 4l8 8", "M12 4l-8 8"],
  cancelled: ["M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z", "M4.4 11.6l7.2-7.2"],
};

/** An element with properties and children; functions named on… are listeners, null and false are left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The symbol of a state. */
export function icon(state) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  for (const shape of SHAPES[state] ?? SHAPES.created) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}

/** A state as a symbol and a word. */
export function badge(state) {
  return h("span", { class: `badge is-${known(state)}` }, icon(state), state);
}

/** A state as a part of a class, also where the service names one that this page does not know. */
export function known(state) {
  return state in SHAPES ? state : "created";
}

/** A table whose columns are given as [heading, class]. */
export function table(caption, columns, rows) {
  const heads = columns.map(([heading, kind]) => h("th", { scope: "col", class: kind }, heading));
  return h(
    "table",
    {},
    h("caption", { class: "hidden" }, caption),
    h("thead", {}, h("tr", {}, heads)),
    h("tbody", {}, rows),
  );
}

/** A row of cells for a table with these columns; each cell is a list of children. */
export function row(columns, cells) {
  return h("tr", {}, columns.map(([, kind], index) => h("td", { class: kind }, cells[index])));
}

/** A list of names and values; values that are null are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
  return h("dl", { class: "facts" }, shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** An id with a button that copies it. */
export function identifier(id) {
  const button = h("button", { type: "button", class: "quiet small", onclick: copy }, "Copy id");
  async function copy() {
    try {
      await navigator.clipboard.writeText(id);
      announce("The id is copied.");
      button.textContent = "Copied";
    } catch {
      // Without https a browser gives no clipboard: the id is selected instead.
      getSelection().selectAllChildren(text);
      announce("The id is selected.");
    }
  }
  const text = h("span", { class: "mono" }, id);
  return h("p", { class: "identifier" }, text, button);
}

/** Tells those who listen to the page instead of looking at it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Asks before something is done. Resolves to whether it shall be. */
export function confirm({ title, text, action, danger = false }) {
  return new Promise((resolve) => {
    const heading = h("h2", { id: "confirm-title" }, title);
    const dialog = h(
      "dialog",
      { "aria-labelledby": "confirm-title", onclose: () => (dialog.remove(), resolve(dialog.returnValue === "yes")) },
      h(
        "form",
        { method: "dialog" },
        heading,
        h("p", {}, text),
        h(
          "div",
          { class: "actions" },
          h("button", { value: "no", class: "quiet", autofocus: true }, "Leave it"),
          h("button", { value: "yes", class: danger ? "danger" : "primary" }, action),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
