"""The list of jobs: its filters, how many jobs are in each state, and which has waited longest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.http import QueryDict
from django.utils.timezone import now

from dicom_ingest.models import AETitle
from inference.filters import RUNS, JobFilter
from inference.models import Job, PipelineVersion

JOBS_PER_PAGE = 50
PARAMETERS = ("state", "pipeline", "priority", "runs", "text", "ae_title", "since", "until", "exam")

State = Job.State


@dataclass(frozen=True, kw_only=True)
class StateTab:
    """One state, or all of them: how many jobs the other filters leave in it, and the query that shows them."""

    value: str
    label: str
    count: int
    query: str


@dataclass(frozen=True, kw_only=True)
class JobList:
    """One page of the list. chosen: the filters in force; problems: what is wrong with those that are not."""

    page: Page[Job]
    tabs: tuple[StateTab, ...]
    chosen: Mapping[str, str]
    problems: tuple[str, ...]
    oldest_waiting: Job | None

    @property
    def is_narrowed(self) -> bool:
        return bool(self.chosen)

    @property
    def query(self) -> str:
        """The filters as the beginning of a query."""
        return f"{urlencode(self.chosen)}&" if self.chosen else ""

    @property
    def address(self) -> str:
        """The query that shows this page again."""
        return f"{self.query}page={self.page.number}"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the filters of the page offer."""

    pipelines: tuple[str, ...]
    priorities: tuple[tuple[str, str], ...]
    runs: tuple[tuple[str, str], ...]


def list_of(visible: QuerySet[Job], asked: QueryDict) -> JobList:
    """The page that `asked` names of `visible`, newest first. A filter that cannot be read is left out, and said."""
    filtered = JobFilter({name: asked.get(name, "") for name in PARAMETERS}, queryset=visible)
    jobs, understood = filtered.qs, filtered.form.cleaned_data
    chosen = {name: str(asked[name]) for name in PARAMETERS if understood.get(name) not in {None, ""}}
    related = jobs.select_related("pipeline", "exam", "result").defer("log", "pipeline__definition")
    return JobList(
        page=Paginator(related.order_by("-created_at", "pk"), JOBS_PER_PAGE).get_page(asked.get("page")),
        tabs=_tabs(visible, chosen),
        chosen=chosen,
        problems=tuple(f"{name}: {fault}" for name, faults in filtered.form.errors.items() for fault in faults),
        oldest_waiting=_oldest_waiting(visible),
    )


def choices(visible: QuerySet[Job]) -> Choices:
    """The pipelines that made jobs, and the other filters' values."""
    names = PipelineVersion.objects.filter(jobs__in=visible).order_by("name").values_list("name", flat=True).distinct()
    return Choices(pipelines=tuple(names), priorities=tuple(AETitle.Priority.choices), runs=RUNS)


def _oldest_waiting(visible: QuerySet[Job]) -> Job | None:
    due = Q(not_before=None) | Q(not_before__lte=now())
    waiting = visible.filter(due, state=State.QUEUED).select_related("exam", "pipeline").defer("log")
    return waiting.order_by("created_at").first()


def _tabs(visible: QuerySet[Job], chosen: Mapping[str, str]) -> tuple[StateTab, ...]:
    others = {name: value for name, value in chosen.items() if name != "state"}
    narrowed = JobFilter(others, queryset=visible).qs
    counts = dict(narrowed.order_by().values_list("state").annotate(n=Count("pk")))
    each = [_tab(state, state.label, counts.get(state, 0), others) for state in State]
    return (_tab("", "All", sum(counts.values()), others), *each)


def _tab(value: str, label: str, count: int, others: Mapping[str, str]) -> StateTab:
    query = urlencode({**({"state": value} if value else {}), **others})
    return StateTab(value=value, label=label, count=count, query=f"?{query}" if query else "")
