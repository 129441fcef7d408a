"""What every page of one study begins with: who may open it, and the tabs that lead to the others."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404
from django.urls import reverse

from portal.access import CAPABILITIES, Capability, Role
from portal.models import User
from studies.models import Membership, Study


@dataclass(frozen=True)
class _Tab:
    name: str
    label: str
    needs: Capability | None


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A tab as a page shows it."""

    name: str
    label: str
    url: str


@dataclass(frozen=True, kw_only=True)
class StudyFrame:
    """One study as one person sees it. `tabs` leads where their roles let them go."""

    study: Study
    roles: tuple[Role, ...]
    capabilities: frozenset[Capability]
    tabs: tuple[Tab, ...]

    def may(self, capability: Capability) -> bool:
        return capability in self.capabilities


# The first is the study's own page, which opens for every member.
TABS: tuple[_Tab, ...] = (
    _Tab("study", "Overview", None),
    _Tab("study-protocol", "Protocol", Capability.VIEW_PROTOCOL),
    _Tab("study-flow", "Flow", Capability.VIEW_FLOW),
    _Tab("study-cases", "Cases", Capability.VIEW_FLOW),
    _Tab("study-quality", "QC", Capability.VIEW_AUDIT),
    _Tab("study-truth", "Truth", Capability.VIEW_TRUTH),
    _Tab("study-reads", "Readers", Capability.VIEW_AUDIT),
    _Tab("study-results", "Results", Capability.VIEW_RESULTS),
    _Tab("study-members", "Members", Capability.MANAGE_MEMBERS),
    _Tab("study-log", "Log", Capability.VIEW_AUDIT),
)


def frame_of(user: User, slug: str, needs: Capability | None = None) -> StudyFrame:
    """The study of that slug, for a page that `needs` the capability in it; None: for every member.

    Raises Http404 for everybody else, so that nobody learns which studies there are.
    """
    study = Study.objects.select_related("ae_title", "form").filter(slug=slug).first()
    if study is None:
        raise Http404
    roles = _roles(user, study)
    held = capabilities(user, roles)
    if not (roles or user.is_superuser) or (needs is not None and needs not in held):
        raise Http404
    return StudyFrame(study=study, roles=roles, capabilities=held, tabs=_tabs(study, held))


def capabilities(user: User, roles: tuple[Role, ...]) -> frozenset[Capability]:
    """What the roles let their holder do in the study; a superuser may do everything."""
    if user.is_superuser:
        return frozenset(Capability)
    return frozenset().union(*(CAPABILITIES[role] for role in roles))


def _roles(user: User, study: Study) -> tuple[Role, ...]:
    held = set(Membership.objects.in_force().filter(study=study, user=user).values_list("role", flat=True))
    return tuple(role for role in Role if role in held)


def _tabs(study: Study, held: frozenset[Capability]) -> tuple[Tab, ...]:
    return tuple(
        Tab(name=tab.name, label=tab.label, url=reverse(tab.name, args=[study.slug]))
        for tab in TABS
        if tab.needs is None or tab.needs in held
    )
