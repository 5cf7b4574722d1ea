// The API of the service that has served this page. The token stays in this tab, and goes into one header only.

const BASE = new URL("../", import.meta.url);
const PATIENCE_MILLISECONDS = 30_000;
// Of this deployment alone: several can share a host, each under a path of its own.
const TOKEN_KEY = `task-service-token ${BASE.pathname}`;

/** Why a request has no good answer: one sentence, and what to do next. */
export class ApiError extends Error {
  constructor(sentence, { status = 0, next = "", retryAfter = 0 } = {}) {
    super(sentence);
    this.status = status;
    this.next = next;
    this.retryAfter = retryAfter;
  }

  /** Whether asking again is no use before something else changes. */
  get isFinal() {
    return this.status >= 400 && this.status < 500 && ![408, 425, 429].includes(this.status);
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN_KEY) ?? "",
  set(value) {
    if (value) sessionStorage.setItem(TOKEN_KEY, value);
    else sessionStorage.removeItem(TOKEN_KEY);
  },
};

/** A path of the API, with each part of it encoded. */
export function path(...parts) {
  return parts.map(encodeURIComponent).join("/");
}

/** Ask the API. Returns the answer's status, headers and text, and what makes JSON of it; raises ApiError. */
export async function ask(method, relative, { query = {}, body, headers = {}, signal, accept = [] } = {}) {
  const url = new URL(`v1/${relative}`, BASE);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  const sent = { Accept: "application/json", ...headers };
  if (token.get()) sent.Authorization = `Bearer ${token.get()}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  let text;
  try {
    answer = await fetch(url, {
      method,
      headers: sent,
      body,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.any([AbortSignal.timeout(PATIENCE_MILLISECONDS), ...(signal ? [signal] : [])]),
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(error);
  }
  if (!answer.ok && !accept.includes(answer.status)) throw refusal(answer, text);
  const { status } = answer;
  return { status, headers: answer.headers, text, json: (...members) => parsed(text, status, members) };
}

/** A page of the API's answers. */
export async function askPage(method, relative, options) {
  return (await ask(method, relative, options)).json("items", "next");
}

function parsed(text, status, members) {
  try {
    const value = JSON.parse(text, exactly);
    if (members.every((member) => Object.hasOwn(value, member))) return value;
  } catch {
    // Told below, as an answer without these members.
  }
  throw new ApiError(`The answer (status ${status}) is not one of the task service.`, {
    next: "Check the address: something else may answer there.",
  });
}

/** A value as it stands in the text: a number that JavaScript would round is kept as it is written. */
function exactly(_, value, context) {
  const isRounded = typeof value === "number" && context !== undefined && String(value) !== context.source;
  return isRounded && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
}

function unreachable(error) {
  if (error.name === "TimeoutError") {
    return new ApiError(`The service has not answered within ${PATIENCE_MILLISECONDS / 1_000} seconds.`, {
      next: "Try again in a moment.",
    });
  }
  return new ApiError("The service cannot be reached.", { next: "Check the network, then try again." });
}

function refusal(answer, text) {
  const { status } = answer;
  const about = problem(text);
  const id = about.id ? ` (error ${about.id})` : "";
  const retryAfter = Number(answer.headers.get("Retry-After")) * 1_000 || 0;
  const told = (sentence, next) => new ApiError(sentence, { status, next, retryAfter });
  if (status === 401) {
    return token.get()
      ? told(`The token is not accepted: ${about.message || "no reason is given"}.`, "Enter another one.")
      : told("This service asks for a token.", "Enter a bearer token; it stays in this tab.");
  }
  if (status === 403) return told(`This is not allowed: ${about.message || "no reason is given"}.`, "Ask the operator.");
  if (status === 404) return told(`${sentence(about.message || "not found")}`, "Check the id or name; retention may have ended.");
  if (status === 409) return told(sentence(about.message || "the state does not allow it"), "Reload to see its state.");
  if (status === 429) return told("The service has too many requests at the moment.", "Wait a little, then try again.");
  if (status >= 500) {
    return told(`The service has a problem: ${about.message || `status ${status}`}${id}.`, "Try again in a moment.");
  }
  return told(sentence(about.message || `the request is refused with status ${status}`), "Correct it and try again.");
}

function problem(text) {
  try {
    const value = JSON.parse(text);
    return { id: textOf(value.id), message: textOf(value.message) };
  } catch {
    return { id: "", message: "" };
  }
}

function textOf(value) {
  return typeof value === "string" ? value.slice(0, 1_000) : "";
}

function sentence(message) {
  // The name of a member, as in "url: …", stays as it is.
  const text = /^[\w.]+:/.test(message) ? message : message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
