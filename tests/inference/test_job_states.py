"""Which state follows which: every action on a job in every state, as one table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from inference import engine
from inference.models import Job
from tests.inference.conftest import MakeJob

pytestmark = pytest.mark.django_db

State = Job.State
Action = Callable[[Job, MakeJob], object]
OUR_WORKER = "host/1/01234567"


def _supersede(job: Job, make_job: MakeJob) -> None:
    engine.supersede_older(make_job(fingerprint="newer", state=State.SKIPPED))


ACTIONS: dict[str, Action] = {
    "claim": lambda job, _: engine.claim_next(),
    "succeed": lambda job, _: engine.succeed(job, lambda: None),
    "fail": lambda job, _: engine.fail(job, "Why."),
    "give back": lambda job, _: engine.give_back(job, "Why."),
    "cancel": lambda job, _: engine.cancel(job.pk),
    "retry": lambda job, _: engine.retry(job.pk),
    "supersede": _supersede,
    "sweep": lambda job, _: engine.sweep(),
}

FOLLOWS: dict[State, dict[str, State]] = {
    State.QUEUED: {"claim": State.RUNNING, "cancel": State.CANCELLED, "supersede": State.SUPERSEDED},
    State.RUNNING: {
        "succeed": State.SUCCEEDED,
        "fail": State.FAILED,
        "give back": State.QUEUED,
        "cancel": State.CANCELLED,
        "supersede": State.SUPERSEDED,
    },
    State.SUCCEEDED: {"supersede": State.SUPERSEDED},
    State.FAILED: {"retry": State.QUEUED, "supersede": State.SUPERSEDED},
    State.CANCELLED: {"retry": State.QUEUED, "supersede": State.SUPERSEDED},
    State.SUPERSEDED: {},
    State.SKIPPED: {"supersede": State.SUPERSEDED},
}
"""What an action leads to; all that is not named leaves the job as it is."""


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_leads_to_the_state_of_the_table_or_changes_nothing(
    make_job: MakeJob, state: State, action: str
) -> None:
    lease = engine._lease() if state == State.RUNNING else None
    job = make_job(state=state, attempts=1, worker=OUR_WORKER, lease_expires_at=lease, reason="As it was.")
    with suppress(engine.LeaseLost):
        ACTIONS[action](job, make_job)

    job.refresh_from_db()
    assert job.state == FOLLOWS[state].get(action, state)
    if action not in FOLLOWS[state]:
        assert job.reason == "As it was."


@pytest.mark.parametrize("state", State)
def test_the_predicates_say_what_the_table_says(state: State) -> None:
    job = Job(state=state)
    assert job.is_cancellable == ("cancel" in FOLLOWS[state])
    assert job.is_retryable == ("retry" in FOLLOWS[state])
    assert job.is_final == (not {"claim", "succeed"} & FOLLOWS[state].keys())
