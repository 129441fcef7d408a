"""Who may see a study's results, and when: as its protocol in force says, never before their time.

Whoever reads in a study, annotates, adjudicates or checks quality there sees no result before the study is locked,
whatever else they are in it. Whoever can set the truth sees none before a version of the truth is locked, for results
would tell what the truth has to be.
"""

from __future__ import annotations

from portal.access import Capability, Role, roles_with
from portal.models import User
from studies.cases import truth
from studies.models import Study
from studies.protocols import protocol
from studies.protocols.protocol_schema import Blinding
from studies.study_frame import StudyFrame

WORKING = frozenset({Role.READER, Role.ANNOTATOR, Role.ADJUDICATOR, Role.QC_REVIEWER})
"""The roles whose work results could change."""
OVER = (Study.Stage.LOCKED, Study.Stage.CLOSED)


def unblinded(blinding: Blinding) -> frozenset[Role]:
    """The roles that see results before the study is locked.

    Where readers are open, coordinators are among them: they see every answer on the results' pages as it is.
    """
    named = frozenset(Role(one) for one in blinding.unblinded)
    return named | {Role.COORDINATOR} if blinding.readers == "open" else named


def why_kept(frame: StudyFrame, user: User) -> str:
    """Why `user`, who holds VIEW_RESULTS in the study, is shown none now, and what would change that; else empty."""
    roles, study = frozenset(frame.roles), frame.study
    is_over = study.stage in OVER
    working = [role.label for role in Role if role in WORKING & roles]
    if working and not is_over:
        return f"Your role here ({', '.join(working)}) is work that results could sway. They open once it is locked."
    if roles & roles_with(Capability.SET_TRUTH) and not truth.is_locked(study):
        return (
            "You can set the truth of this study, and results would tell what it has to be. They open to you once a "
            "version of the truth is locked, under Truth."
        )
    allowed = unblinded(protocol.current(study).content.blinding)
    if is_over or user.is_superuser or roles & allowed:
        return ""
    names = ", ".join(role.label.lower() for role in Role if role in allowed) or "nobody"
    return f"Until the study is locked, its protocol shows results to: {names}. They open to you when it is locked."
