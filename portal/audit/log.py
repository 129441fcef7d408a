"""The log as a page shows it: filtered, a hundred rows at a time, and exported with the same filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict, StreamingHttpResponse
from django.utils.timezone import localdate

from portal.audit import reading, trail
from portal.audit.actions import Action
from portal.audit.models import Entry
from portal.audit.reading import Filter

ROWS = 100


class FilterForm(forms.Form):
    """What narrows the log; every field may stay empty."""

    who = forms.CharField(label="User name", required=False, max_length=150)
    action = forms.ChoiceField(
        label="What",
        required=False,
        choices=[("", "Everything"), *((action.value, action.value.capitalize()) for action in Action)],
    )
    of = forms.CharField(label="UID or key of what it was done to", required=False, max_length=200)
    since = forms.DateField(
        label="From", required=False, error_messages={"invalid": "“From” is no day. Write it as 2025-03-31."}
    )
    until = forms.DateField(
        label="to", required=False, error_messages={"invalid": "“to” is no day. Write it as 2025-03-31."}
    )
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def filter(self, study: str | None) -> Filter:
        """The filter of what was given rightly; what was not narrows nothing, and `problems` says so."""
        self.is_valid()
        given: dict[str, Any] = {name: value for name, value in self.cleaned_data.items() if name != "before" and value}
        return Filter(study=study, **given)

    @property
    def problems(self) -> list[str]:
        """What was given wrongly, in words."""
        return [str(error) for errors in self.errors.values() for error in errors]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the log, and what it says besides in words."""

    entry: Entry
    said: str


@dataclass(frozen=True, kw_only=True)
class LogPage:
    """One page of the log, newest first. `older` is the query of the next one, "" where this is the last."""

    form: FilterForm
    lines: tuple[Line, ...]
    is_narrowed: bool
    is_first: bool
    query: str
    older: str


def page(given: QueryDict, *, study: str | None) -> LogPage:
    """The page of the log that `given` asks for: of one study, or of all for None. One query, however long the log."""
    form = FilterForm(given)
    wanted = form.filter(study)
    before = form.cleaned_data.get("before")
    found = wanted.rows().filter(number__lt=before) if before else wanted.rows()
    entries = list(found[: ROWS + 1])
    shown = entries[:ROWS]
    chosen = {name: value for name in FilterForm.base_fields if name != "before" and (value := given.get(name, ""))}
    older = urlencode({**chosen, "before": shown[-1].number}) if len(entries) > ROWS else ""
    return LogPage(
        form=form,
        lines=tuple(Line(entry=entry, said=reading.shown_detail(entry)) for entry in shown),
        is_narrowed=bool(chosen),
        is_first=not before,
        query=urlencode(chosen),
        older=older,
    )


def export(given: QueryDict, *, study: str | None) -> StreamingHttpResponse:
    """The whole filtered log as CSV, fetched as it is sent. That it was exported is put on record first."""
    wanted = FilterForm(given).filter(study)
    trail.record(Action.LOG_EXPORTED, of="log", study=study or "", detail={"filters": wanted.narrowed_by})
    name = f"log-{study or 'overread'}-{localdate():%Y-%m-%d}.csv"
    answer = StreamingHttpResponse(reading.as_csv(wanted.rows()), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-store"
    return answer
