"""The administration, put on record in one place: whatever a model's page there does goes through this site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Model
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.audit import trail
from portal.audit.actions import Action

SaidOf = Callable[[Model], tuple[str, Mapping[str, object]]]


class AuditedModelAdmin(ModelAdmin[Any]):
    """Put before every registered ModelAdmin. Its changes are written in the transaction that makes them.

    A ModelAdmin may have a method `said_of(obj)`, which answers for which study `obj` is (its slug, or "") and what of
    it may stand in a row.
    """

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record(self, Action.ADDED_IN_ADMINISTRATION, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record(self, Action.CHANGED_IN_ADMINISTRATION, obj, fields=_changed(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> Any:
        for obj in queryset:
            _record(self, Action.DELETED_IN_ADMINISTRATION, obj)
        return super().log_deletions(request, queryset)  # type: ignore[arg-type]  # Django itself gives lists

    def save_formset(self, request: HttpRequest, form: Any, formset: BaseModelFormSet[Any, Any], change: bool) -> None:
        gone = [(_key(each.instance), each.instance) for each in formset.deleted_forms if each.instance.pk]
        super().save_formset(request, form, formset, change)
        for obj in formset.new_objects:
            _record(self, Action.ADDED_IN_ADMINISTRATION, obj)
        for obj, fields in formset.changed_objects:
            _record(self, Action.CHANGED_IN_ADMINISTRATION, obj, fields=list(fields))
        for key, obj in gone:
            _record(self, Action.DELETED_IN_ADMINISTRATION, obj, key=key)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return _seen(self, request, "", super().changelist_view(request, extra_context))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        answer = super().changeform_view(request, object_id, form_url, extra_context)
        return _seen(self, request, object_id or "", answer) if object_id else answer

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        return _seen(self, request, object_id, super().history_view(request, object_id, extra_context))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        return _seen(self, request, object_id, super().delete_view(request, object_id, extra_context))


class AuditedSite(AdminSite):
    """Every ModelAdmin that is registered here, our own or another package's, is an AuditedModelAdmin first."""

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        base = admin_class or ModelAdmin
        audited = base if issubclass(base, AuditedModelAdmin) else type(base.__name__, (AuditedModelAdmin, base), {})
        super().register(model_or_iterable, audited, **options)


def _seen(admin: AuditedModelAdmin, request: HttpRequest, object_id: str, answer: HttpResponseBase) -> HttpResponseBase:
    if request.method in ("GET", "HEAD") and answer.status_code == 200:
        label = admin.model._meta.label_lower
        trail.record(Action.ADMINISTRATION_VIEWED, of=f"{label}:{object_id}" if object_id else label)
    return answer


def _record(
    admin: AuditedModelAdmin, action: Action, obj: Model, *, fields: list[str] | None = None, key: str = ""
) -> None:
    said_of: SaidOf = getattr(admin, "said_of", _nothing)
    study, said = said_of(obj)
    trail.record(action, of=key or _key(obj), study=study, detail={**said, **({"fields": fields} if fields else {})})


def _nothing(_: Model) -> tuple[str, Mapping[str, object]]:
    return "", {}


def _key(obj: Model) -> str:
    return f"{obj._meta.label_lower}:{obj.pk}"


def _changed(message: Any) -> list[str]:
    """The labels of the changed fields in Django's change message; what else it holds quotes objects."""
    if not isinstance(message, list):
        return []
    return [str(field) for part in message for field in part.get("changed", {}).get("fields", [])]
