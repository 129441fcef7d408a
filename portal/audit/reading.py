"""Reading the trail: filters, and rows as CSV, for the log pages and the command alike."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Q, QuerySet
from django.utils.timezone import localtime, make_aware

from portal.audit.models import Entry

COLUMNS = ("number", "at", "actor", "actor_id", "address", "via", "action", "of", "study", "detail", "previous", "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CHUNK = 2000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which rows are wanted: all, or those of one study, person, action or thing, from one day to another."""

    study: str | None = None
    who: str = ""
    action: str = ""
    of: str = ""
    since: date | None = None
    until: date | None = None

    def rows(self) -> QuerySet[Entry]:
        """The wanted rows, newest first. Days are those of the portal's time zone, both inclusive."""
        found = Entry.objects.order_by("-number")
        equal = {"study": self.study, "actor": self.who or None, "action": self.action or None}
        found = found.filter(**{name: value for name, value in equal.items() if value is not None})
        if self.of:
            found = found.filter(Q(of=self.of) | Q(detail__exam=self.of))  # a result's row names its exam in its detail
        if self.since:
            found = found.filter(at__gte=_midnight(self.since))
        if self.until:
            found = found.filter(at__lt=_midnight(self.until + timedelta(days=1)))
        return found

    @property
    def narrowed_by(self) -> list[str]:
        """The names of what narrows it besides the study; for the record of an export."""
        narrowing = {"user": self.who, "action": self.action, "subject": self.of, "from": self.since, "to": self.until}
        return [name for name, value in narrowing.items() if value]


class _Line:
    """A file of one line: what the csv module writes is handed on at once."""

    def write(self, text: str) -> str:
        return text


def as_csv(rows: QuerySet[Entry]) -> Iterator[str]:
    """The rows as lines of CSV with a head, oldest first, fetched as they are sent."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for values in rows.order_by("number").values_list(*COLUMNS).iterator(chunk_size=_CHUNK):
        yield writer.writerow(_cells(values))


def shown_detail(entry: Entry) -> str:
    """A row's detail in one line for people."""
    return "; ".join(f"{key.replace('_', ' ')}: {_words(value)}" for key, value in sorted(entry.detail.items()))


def _cells(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, datetime):
            yield localtime(value).isoformat(timespec="microseconds")
        elif isinstance(value, dict):
            yield json.dumps(value, sort_keys=True, ensure_ascii=False)
        elif isinstance(value, str) and value.startswith(_FORMULA):
            yield f"'{value}"  # a spreadsheet would calculate it
        else:
            yield value


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(each)}" for key, each in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def _midnight(day: date) -> datetime:
    return make_aware(datetime.combine(day, time()))
