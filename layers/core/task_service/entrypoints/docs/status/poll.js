// Looking again, with an end: less often where nothing changes, not at all in a hidden tab, and not for ever.

const FASTEST_MILLISECONDS = 1_000;
const SLOWEST_MILLISECONDS = 15_000;
const SLOWEST_AFTER_FAILURE_MILLISECONDS = 30_000;
const MOST_FAILURES = 8;
const LONGEST_MILLISECONDS = 30 * 60_000;

/**
 * Call `look` until it returns "done"; after "changed" soon, after "same" later.
 *
 * `report` is told "looking", "hidden", "failing" with the error, and at the end "done", "stopped" with the error, or
 * "tired".
 */
export async function poll({ look, report, signal }) {
  const startedAt = Date.now();
  let delay = FASTEST_MILLISECONDS;
  let failures = 0;
  while (!signal.aborted) {
    if (document.hidden) {
      report("hidden");
      await shown(signal);
      delay = FASTEST_MILLISECONDS;
      continue;
    }
    try {
      const outcome = await look();
      if (signal.aborted) return;
      if (outcome === "done") return report("done");
      report("looking");
      failures = 0;
      delay = outcome === "changed" ? FASTEST_MILLISECONDS : Math.min(delay * 1.5, SLOWEST_MILLISECONDS);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (error.isFinal || failures >= MOST_FAILURES) return report("stopped", error);
      report("failing", error);
      delay = Math.min(Math.max(delay * 2, error.retryAfter ?? 0), SLOWEST_AFTER_FAILURE_MILLISECONDS);
    }
    if (Date.now() - startedAt > LONGEST_MILLISECONDS) return report("tired");
    await passed(delay, signal);
  }
}

function shown(signal) {
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check, { once: true });
  });
}

function passed(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
