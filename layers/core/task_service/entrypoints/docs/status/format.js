// Times, durations and JSON texts as people read them.

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const TIME = new Intl.DateTimeFormat(undefined, CLOCK);
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", ...CLOCK });

/** A time of the API in the reader's own zone; today's without the date. */
export function time(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return String(text);
  const isToday = moment.toDateString() === new Date().toDateString();
  return (isToday ? TIME : DAY).format(moment);
}

/** How long it took from one time to another; null where one of them is not known. */
export function between(start, end) {
  if (!start || !end) return null;
  return duration(new Date(end) - new Date(start));
}

/** A number of milliseconds. */
export function duration(milliseconds) {
  const passed = Math.max(0, milliseconds);
  if (passed < 1_000) return `${Math.round(passed)} ms`;
  if (passed < 60_000) return `${(passed / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(passed / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((passed % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A number and its noun. */
export function count(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}

// Strings, structure, and what is neither (numbers, true, false, null); blanks between them are dropped.
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** A JSON text with line breaks and indentation. No value is parsed, so that large numbers stay what they are. */
export function indented(text) {
  const parts = [];
  let depth = 0;
  let last = "";
  for (const [token] of text.matchAll(TOKENS)) {
    const opens = last === "{" || last === "[";
    if (token === "}" || token === "]") {
      depth -= 1;
      parts.push(opens ? "" : newLine(depth), token);
    } else if (token === "," || token === ":") {
      parts.push(token === ":" ? ": " : ",");
    } else {
      if (opens || last === ",") parts.push(newLine(depth));
      parts.push(token);
      if (token === "{" || token === "[") depth += 1;
    }
    last = token;
  }
  return parts.join("");
}

function newLine(depth) {
  return `\n${"  ".repeat(Math.min(depth, 40))}`;
}
