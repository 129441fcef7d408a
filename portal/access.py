"""Who may do what: denied, unless a role in a study grants it.

This module sits at the bottom and knows no app. `studies` registers, at start-up, the one function that answers
from its memberships; until then nobody but a superuser may do anything.
"""

from collections.abc import Callable
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, TextChoices

from portal.models import User

Viewer = User | AnonymousUser


class Role(TextChoices):
    """What a member of a study is there."""

    COORDINATOR = "coordinator", "Coordinator"
    READER = "reader", "Reader"
    QC_REVIEWER = "qc", "QC reviewer"
    ANNOTATOR = "annotator", "Annotator"
    ADJUDICATOR = "adjudicator", "Adjudicator"
    DATA_SCIENTIST = "scientist", "Data scientist"
    GOVERNANCE = "governance", "Governance"


class Capability(StrEnum):
    """What a role lets its holder do with the exams of the study."""

    VIEW_EXAMS = "view exams"
    GIVE_FEEDBACK = "give feedback"
    VIEW_ALL_FEEDBACK = "view everybody's feedback"
    VIEW_RECEPTION = "view what was received, refused and quarantined"
    SEND_EXAMS = "send exams over STOW-RS"
    VIEW_JOBS = "view the job engine's log"
    MANAGE_JOBS = "retry, cancel and rerun jobs"
    EXPORT_FILES = "download what a job read and made"
    MANAGE_RULES = "write and activate routing rules"
    QUERY_PACS = "search remote systems and bring exams in from them"
    DESIGN_STUDY = "write the protocol and its forms, and move the study through its stages"
    MANAGE_MEMBERS = "invite members, grant roles to groups and withdraw them"
    VIEW_PROTOCOL = "view the protocol and its versions"
    VIEW_FLOW = "view the case flow, its cases and why exams are no cases"
    MANAGE_CASES = "screen exams again, import outside findings, assign reads"
    REVIEW_QUALITY = "pass or reject a case before readers see it"
    READ_CASES = "be given reads, and answer them"
    ADJUDICATE = "decide where readers disagree"
    ANNOTATE = "give an arm its segmentations"
    SET_TRUTH = "import the reference standard and lock it"
    VIEW_TRUTH = "view the reference standard and every arm's findings"
    VIEW_AUDIT = "view the study's audit trail"
    VIEW_RESULTS = "view the study's results, and take them out, when the protocol lets its role"


CAPABILITIES: dict[Role, frozenset[Capability]] = {
    Role.COORDINATOR: frozenset(
        {
            Capability.VIEW_EXAMS,
            Capability.VIEW_ALL_FEEDBACK,
            Capability.VIEW_RECEPTION,
            Capability.SEND_EXAMS,
            Capability.VIEW_JOBS,
            Capability.MANAGE_JOBS,
            Capability.EXPORT_FILES,
            Capability.MANAGE_RULES,
            Capability.QUERY_PACS,
            Capability.DESIGN_STUDY,
            Capability.MANAGE_MEMBERS,
            Capability.VIEW_PROTOCOL,
            Capability.VIEW_FLOW,
            Capability.MANAGE_CASES,
            Capability.SET_TRUTH,
            Capability.VIEW_TRUTH,
            Capability.VIEW_AUDIT,
            Capability.VIEW_RESULTS,
        }
    ),
    Role.READER: frozenset({Capability.VIEW_EXAMS, Capability.GIVE_FEEDBACK, Capability.READ_CASES}),
    Role.QC_REVIEWER: frozenset(
        {Capability.VIEW_EXAMS, Capability.VIEW_JOBS, Capability.VIEW_FLOW, Capability.REVIEW_QUALITY}
    ),
    Role.ANNOTATOR: frozenset({Capability.READ_CASES, Capability.ANNOTATE}),
    Role.ADJUDICATOR: frozenset({Capability.READ_CASES, Capability.ADJUDICATE}),
    Role.DATA_SCIENTIST: frozenset(
        {
            Capability.VIEW_EXAMS,
            Capability.VIEW_JOBS,
            Capability.MANAGE_JOBS,
            Capability.EXPORT_FILES,
            Capability.VIEW_PROTOCOL,
            Capability.VIEW_FLOW,
            Capability.VIEW_RESULTS,
        }
    ),
    Role.GOVERNANCE: frozenset(
        {
            Capability.VIEW_EXAMS,
            Capability.VIEW_ALL_FEEDBACK,
            Capability.VIEW_PROTOCOL,
            Capability.VIEW_FLOW,
            Capability.VIEW_TRUTH,
            Capability.VIEW_AUDIT,
            Capability.VIEW_RESULTS,
        }
    ),
}

ExamScope = Callable[[User, frozenset[Role]], Q]
AETitleScope = Callable[[User, frozenset[Role]], Q]
RolesOf = Callable[[User], frozenset[Role]]
StudiesOfExam = Callable[[User | None, str], list[str]]


class _Provider:
    """The functions that `studies` registers."""

    exam_scope: ExamScope | None = None
    ae_title_scope: AETitleScope | None = None
    roles_of: RolesOf | None = None
    studies_of_exam: StudiesOfExam | None = None


def register(*, exam_scope: ExamScope, ae_title_scope: AETitleScope, roles_of: RolesOf) -> None:
    """Let `studies` answer: the scopes as conditions on Exam and AETitle, `roles_of` as the roles held anywhere."""
    _Provider.exam_scope = staticmethod(exam_scope)
    _Provider.ae_title_scope = staticmethod(ae_title_scope)
    _Provider.roles_of = staticmethod(roles_of)


def register_studies_of_exam(studies_of_exam: StudiesOfExam) -> None:
    """Let `studies` answer which studies hold an exam as a case."""
    _Provider.studies_of_exam = staticmethod(studies_of_exam)


def roles_with(capability: Capability) -> frozenset[Role]:
    """The roles that grant `capability`."""
    return frozenset(role for role, granted in CAPABILITIES.items() if capability in granted)


def exams_where(user: Viewer, capability: Capability) -> Q:
    """The condition on `dicom_ingest.Exam` that keeps those where `user` holds `capability`."""
    if not isinstance(user, User) or not user.is_active:
        return Q(pk__in=[])
    if user.is_superuser:
        return Q()
    if _Provider.exam_scope is None:
        return Q(pk__in=[])
    return _Provider.exam_scope(user, roles_with(capability))


def ae_titles_where(user: Viewer, capability: Capability) -> Q:
    """The condition on `dicom_ingest.AETitle` that keeps those of studies where `user` holds `capability`."""
    if not isinstance(user, User) or not user.is_active:
        return Q(pk__in=[])
    if user.is_superuser:
        return Q()
    if _Provider.ae_title_scope is None:
        return Q(pk__in=[])
    return _Provider.ae_title_scope(user, roles_with(capability))


def held_by(user: Viewer) -> frozenset[Capability]:
    """What `user` holds in any study, found out at once for a page that asks for several."""
    if not isinstance(user, User) or not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Capability)
    if _Provider.roles_of is None:
        return frozenset()
    return frozenset().union(*(CAPABILITIES[role] for role in _Provider.roles_of(user)))


def holds(user: Viewer, capability: Capability) -> bool:
    """Whether `user` holds `capability` in any study. For one exam, filter with `exams_where` instead."""
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.is_superuser:
        return True
    if _Provider.roles_of is None:
        return False
    return bool(_Provider.roles_of(user) & roles_with(capability))


def studies_of_exam(user: User | None, exam: str) -> list[str]:
    """The slugs of the studies of which the exam with the StudyInstanceUID `exam` is a case: those of `user`, or all.

    All for None and for a superuser.
    """
    if _Provider.studies_of_exam is None:
        return []
    return _Provider.studies_of_exam(None if user is None or user.is_superuser else user, exam)
