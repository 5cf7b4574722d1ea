// Looking again, with an end: less often where nothing changes, not at all in a hidden tab, and not for ever.

// In milliseconds: between two looks, after a failure, and in all.
const PACE = { fastest: 1_000, slowest: 15_000, slowestAfterFailure: 30_000, mostFailures: 8, longest: 30 * 60_000 };

/**
 * Call `look` until it returns "done"; after "changed" soon, after "same" later.
 *
 * `report` is told "looking", "hidden", "failing" with the error, and at the end "done", "stopped" with the error, or
 * "tired".
 */
export async function poll({ look, report, signal, pace = PACE }) {
  const startedAt = Date.now();
  let delay = pace.fastest;
  let failures = 0;
  while (!signal.aborted) {
    if (document.hidden) {
      report("hidden");
      await shown(signal);
      delay = pace.fastest;
      continue;
    }
    try {
      const outcome = await look();
      if (signal.aborted) return;
      if (outcome === "done") return report("done");
      report("looking");
      failures = 0;
      delay = outcome === "changed" ? pace.fastest : Math.min(delay * 1.5, pace.slowest);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (error.isFinal || failures >= pace.mostFailures) return report("stopped", error);
      report("failing", error);
      delay = Math.min(Math.max(delay * 2, error.retryAfter ?? 0), pace.slowestAfterFailure);
    }
    if (Date.now() - startedAt > pace.longest) return report("tired");
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
