"""Drafts of forms: who may write them, step by step with a way back, and how one becomes a version of a form."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now
from pydantic import ValidationError

from feedback import form_builder, form_text, forms
from feedback.form_builder import Document
from feedback.form_schema import FormDefinition
from feedback.forms import MalformedForm
from feedback.models import Form, FormDraft
from feedback.subject import key_of
from portal.access import Capability, roles_with
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User

STEPS_KEPT = 30


class ChangedElsewhere(Exception):
    """A step on a draft that somebody changed since it was shown."""


class Unstorable(ValueError):
    """A text that PostgreSQL cannot hold."""


class NoDraft(LookupError):
    """There is no draft of that name."""


def visible_to(user: User) -> QuerySet[FormDraft]:
    """Those that `user` began, and those of the studies that they coordinate."""
    if user.is_superuser:
        return FormDraft.objects.all()
    studies = user.memberships.filter(role__in=roles_with(Capability.DESIGN_STUDY)).values("study__slug")
    return FormDraft.objects.filter(Q(created_by=user) | Q(study__in=studies))


def begin(title: str, *, by: User, copy_of: FormDefinition | None = None, study: str = "") -> FormDraft:
    """A new draft, blank or a copy of a form, under a slug made of its title."""
    document = form_text.plain(copy_of) if copy_of else form_builder.blank("", title)
    stem = key_of(title)[:80].strip("-")
    for slug in (stem, *(f"{stem}-{number}" for number in range(2, 1000))):
        if FormDraft.objects.filter(slug=slug).exists():
            continue
        definition = {**document, "name": slug, "title": title}
        try:
            return _begun(slug, title, definition, by=by, study=study)
        except IntegrityError:
            continue  # somebody else took it at this moment
    raise ChangedElsewhere("There are a thousand drafts of that title. Choose another title.")


@transaction.atomic
def step(
    draft: FormDraft, change: Callable[[Document], str | None], *, revision: int, by: User
) -> tuple[FormDraft, str]:
    """Let `change` change the document of `draft` as it was at `revision`; what it said, often a place in it.

    Raises ChangedElsewhere when it is another by now, Unstorable, and what `change` raises.
    """
    held = _held(draft, revision)
    document = deepcopy(held.definition)
    said = change(document) or ""
    if "\\u0000" in json.dumps(document):
        raise Unstorable("The text holds a character that cannot be stored. Type it again without pasting.")
    if document != held.definition:
        _keep(held, document, [*held.earlier, held.definition][-STEPS_KEPT:], by=by)
    return held, said


@transaction.atomic
def undo(draft: FormDraft, *, revision: int, by: User) -> FormDraft:
    """Take the last step back; where there is none, nothing happens. Raises ChangedElsewhere."""
    held = _held(draft, revision)
    if held.earlier:
        *earlier, last = held.earlier
        _keep(held, last, earlier, by=by)
    return held


def definition_of(slug: str) -> FormDefinition:
    """The form that the draft `slug` describes. Raises NoDraft, or MalformedForm with what is still wrong."""
    draft = FormDraft.objects.filter(slug=slug).first()
    if draft is None:
        raise NoDraft(f'There is no draft of a form called "{slug}".')
    return finished(draft)


def finished(draft: FormDraft) -> FormDefinition:
    """The form that `draft` describes. Raises MalformedForm with what is still wrong, in words."""
    problems = form_builder.problems(draft.definition)
    if problems:
        labels = {place: question.get("label", "") for place, question in form_builder.questions_in(draft.definition)}
        told = [f"{labels.get(place) or 'The form'}: {' '.join(found)}" for place, found in problems.items()]
        raise MalformedForm(" ".join(told))
    try:
        return FormDefinition.model_validate(draft.definition)
    except ValidationError as fault:
        raise MalformedForm(str(fault)) from fault


@transaction.atomic
def publish(draft: FormDraft) -> Form:
    """The draft as the newest version of the form of its slug. Raises MalformedForm."""
    form = forms.register(draft.slug, finished(draft))
    trail.record(Action.FORM_PUBLISHED, of=draft.slug, study=draft.study, detail={"version": form.version})
    return form


@transaction.atomic
def _begun(slug: str, title: str, definition: Document, *, by: User, study: str) -> FormDraft:
    draft = FormDraft.objects.create(
        slug=slug, study=study, name=title, definition=definition, created_by=by, updated_by=by
    )
    trail.record(Action.FORM_BEGUN, of=slug, study=study)
    return draft


def _held(draft: FormDraft, revision: int) -> FormDraft:
    held = FormDraft.objects.select_for_update().get(pk=draft.pk)
    if held.revision != revision:
        raise ChangedElsewhere(
            "The form was changed meanwhile, in another tab or by somebody else. Your last step was not taken; here is "
            "the form as it is now."
        )
    return held


def _keep(draft: FormDraft, document: Document, earlier: list[Document], *, by: User) -> None:
    draft.definition, draft.earlier = document, earlier
    draft.name = str(document.get("title") or draft.slug)[:200]
    draft.revision += 1
    draft.updated_by, draft.updated_at = by, now()
    draft.save()
