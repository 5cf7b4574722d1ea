"""Targets that hang, break, refuse and come back."""

from dataclasses import dataclass
from typing import Final

import pytest

from tests.support.behaviours import answer, close, drip_body, failing, garbage, hang, in_turn, reset, short_body
from tests.support.faulty_cloud import MAX_ATTEMPTS, FaultyCloud
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour

AT_ONCE: Final = {"minDelaySeconds": 0, "maxDelaySeconds": 0}

NOT_IN_TIME: Final = "the target did not answer completely within 2 s (attempt 1 of 1)"
RESET: Final = "the target reset the connection (attempt 2 of 2)"
GARBAGE: Final = "the target's answer broke off or is not valid HTTP (attempt 3 of 3)"
ALWAYS_500: Final = "the target answered 500: 1 (attempt 3 of 3)"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A target, its template, and how its task has to end."""

    target: Behaviour
    max_attempts: int = 3
    timeout_seconds: float = 30
    attempts: int
    error: str | None = None
    """Why the task fails; None: it is done."""


CASES: Final = {
    "/quick": Case(target=answer(), attempts=1),
    "/hangs": Case(target=hang(), timeout_seconds=2, max_attempts=1, attempts=1, error=NOT_IN_TIME),
    "/drips": Case(target=drip_body(), timeout_seconds=2, max_attempts=1, attempts=1, error=NOT_IN_TIME),
    "/resets": Case(target=reset, max_attempts=2, attempts=2, error=RESET),
    "/closes-first": Case(target=in_turn(close, answer()), attempts=2),
    "/answers-garbage": Case(target=garbage, attempts=3, error=GARBAGE),
    "/breaks-off-first": Case(target=in_turn(short_body, answer()), attempts=2),
    "/busy-first": Case(target=in_turn(answer(429, headers={"Retry-After": "1"}), answer()), attempts=2),
    "/500-until-the-last-attempt": Case(target=failing(4, answer()), max_attempts=5, attempts=5),
    "/500-for-ever": Case(target=answer(500, b"1"), attempts=3, error=ALWAYS_500),
}
"""As many as one batch holds."""


def test_bad_targets_hold_up_no_other_task_and_every_task_ends(faulty: FaultyCloud, target: HttpTarget) -> None:
    with faulty.queue_held():
        task_ids = {path: create(faulty, target, path, case) for path, case in CASES.items()}

    ended = dict(zip(CASES, faulty.api.all_ended(task_ids.values()), strict=True))

    for path, case in CASES.items():
        state = "failed" if case.error else "done"
        members = (ended[path]["status"], ended[path]["attempts"], ended[path]["error"])
        assert members == (state, case.attempts, case.error), path
        assert [call.idempotency_key for call in target.calls_to(path)] == [task_ids[path]] * case.attempts
    assert ended["/quick"]["finishedAt"] < ended["/hangs"]["finishedAt"]
    busy, answered = target.calls_to("/busy-first")
    assert answered.started - busy.started >= 1
    assert target.most_of_any_key == 1


def create(faulty: FaultyCloud, target: HttpTarget, path: str, case: Case) -> str:
    """Create the task of a case."""
    url = target.on(path, case.target)
    retry = {"maxAttempts": case.max_attempts, **AT_ONCE}
    return faulty.api.create(faulty.api.template(url, timeoutSeconds=case.timeout_seconds, retry=retry))


@pytest.mark.parametrize("behaviour", [answer(503), reset], ids=["503", "reset"])
def test_the_deployment_says_how_often_where_the_template_does_not(
    faulty: FaultyCloud, target: HttpTarget, behaviour: Behaviour
) -> None:
    status = faulty.api.failed(faulty.api.create(faulty.api.template(target.on("/", behaviour), retry=AT_ONCE)))
    assert (status["attempts"], len(target.calls)) == (MAX_ATTEMPTS, MAX_ATTEMPTS)
    assert status["error"].endswith(f"(attempt {MAX_ATTEMPTS} of {MAX_ATTEMPTS})")


def test_hanging_targets_do_not_keep_others_from_their_turn(faulty: FaultyCloud, target: HttpTarget) -> None:
    hanging = faulty.api.template(target.on("/hangs", hang()))
    quick = faulty.api.template(target.on("/quick", answer()))
    stuck = [faulty.api.create(hanging) for _ in range(2)]
    target.wait_for_calls(2)
    ended = faulty.api.all_ended([faulty.api.create(quick) for _ in range(20)])
    assert {status["status"] for status in ended} == {"done"}
    # They have not even run into their limit yet.
    assert [call.ended for call in target.calls_to("/hangs")] == [None] * 2
    target.release()
    assert {status["status"] for status in faulty.api.all_ended(stuck)} == {"done"}
