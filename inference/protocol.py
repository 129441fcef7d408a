"""What a worker and the child process that runs its jobs say to each other: plain data, one message a frame.

Neither side can bring the other down by what it says: no pickles, no objects, only JSON that fits these schemas.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from inference.execution import Report, WorkOrder
from inference.timing import OperatorTiming


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ready(_Message):
    """The child has imported what it needs, and waits for orders."""

    kind: Literal["ready"] = "ready"


class Orders(_Message):
    """Run all of these, at the same time. Sent only to a child that runs nothing."""

    kind: Literal["orders"] = "orders"
    orders: tuple[WorkOrder, ...]


class Stop(_Message):
    """Let one run fail with `reason` as soon as the step that it is at has ended."""

    kind: Literal["stop"] = "stop"
    run: str
    reason: str


class StepEnded(_Message):
    """One entry of a run's times."""

    kind: Literal["step"] = "step"
    run: str
    timing: OperatorTiming


class Finished(_Message):
    """A run wrote its files."""

    kind: Literal["finished"] = "finished"
    run: str
    report: Report


class Failed(_Message):
    """A run ended without a result. reason: whole sentences; is_permanent: another attempt would fail as well."""

    kind: Literal["failed"] = "failed"
    run: str
    reason: str
    is_permanent: bool


ToChild = Annotated[Orders | Stop, Field(discriminator="kind")]
ToWorker = Annotated[Ready | StepEnded | Finished | Failed, Field(discriminator="kind")]

_TO_CHILD: TypeAdapter[Orders | Stop] = TypeAdapter(ToChild)
_TO_WORKER: TypeAdapter[Ready | StepEnded | Finished | Failed] = TypeAdapter(ToWorker)


def send(connection: Connection, message: _Message) -> None:
    """Send one message. Raises OSError when the other side is gone."""
    connection.send_bytes(message.model_dump_json().encode())


def receive_in_child(connection: Connection) -> Orders | Stop:
    """The worker's next message; waits for it. Raises EOFError or OSError when the worker is gone."""
    return _TO_CHILD.validate_json(connection.recv_bytes(), strict=False)


def receive_in_worker(connection: Connection) -> Ready | StepEnded | Finished | Failed:
    """The child's next message; waits for it. Raises EOFError or OSError when the child is gone."""
    return _TO_WORKER.validate_json(connection.recv_bytes(), strict=False)
