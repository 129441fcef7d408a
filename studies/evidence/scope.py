"""What an export or a results page is about: one study, its pilot or its real cases, and how patients and readers are
called in it.

Names, IDs, accession numbers, dates of birth and of exams, and UIDs stay in the portal. Pseudonyms follow from the
installation's blinding key and the study, so they are the same in every export of a study and in no other study's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Q

from dicom_ingest.models import Exam
from portal.models import User
from studies.blinding import salts
from studies.models import Membership, ProtocolVersion, Study
from studies.protocols import protocol
from studies.protocols.protocol_schema import Protocol

WITHHELD = "[withheld]"
UID = re.compile(r"(?<![\d.])(?:0|[12])(?:\.(?:0|[1-9]\d*)){5,}(?![\d.])")
_SHORTEST = 3
"""Parts of a name that are shorter are no names but initials, and words of their own."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One study's pilot, or its real cases: never both."""

    study: Study
    is_pilot: bool = False

    @cached_property
    def version(self) -> ProtocolVersion:
        """The protocol in force."""
        return protocol.current(self.study)

    @cached_property
    def protocols(self) -> Mapping[int, ProtocolVersion]:
        """Every version of the protocol, by primary key."""
        return {one.pk: one for one in self.study.protocols.all()}

    @cached_property
    def content(self) -> Protocol:
        return self.version.content

    @cached_property
    def arms(self) -> Mapping[str, str]:
        """The labels of all arms that any version has, by key; the newest version's where they differ."""
        versions = sorted(self.protocols.values(), key=lambda one: one.number)
        return {arm.key: arm.label for one in versions for arm in one.content.arms}

    @cached_property
    def roles(self) -> Mapping[int, str]:
        """The protocol's kind of reader that each member was given last, by user, as its label."""
        labels = {role.key: role.label for one in self.protocols.values() for role in one.content.reader_roles}
        held = Membership.objects.filter(study=self.study).exclude(reader_role="").order_by("granted_at", "pk")
        return {user: labels.get(role, role) for user, role in held.values_list("user_id", "reader_role")}

    def exam(self, exam: Exam) -> str:
        """The exam's pseudonym."""
        return f"E-{self._salt.text('exported exam', exam.study_instance_uid, length=12).upper()}"

    def patient(self, exam: Exam) -> str:
        """The pseudonym of the exam's patient: the same for all exams of one patient in the study."""
        whose = (exam.issuer_of_patient_id, exam.patient_id or exam.study_instance_uid)
        return f"P-{self._salt.text('exported patient', *whose, length=12).upper()}"

    def uid(self, uid: str) -> str:
        """The UID that stands for `uid` in every export of the study."""
        return self._salt.within("export").remapped(uid)

    def person(self, user: User, *, called: str = "Reader") -> str:
        """A member by user name, or by a pseudonym, as the protocol has it. called: what a pseudonym begins with."""
        return self.person_by(user.pk, user.get_username(), called=called)

    def person_by(self, key: int, name: str, *, called: str = "Reader") -> str:
        """The same by the user's primary key and user name."""
        if self.content.blinding.reader_names == "named":
            return name
        return f"{called} {self._salt.text('person', str(key), length=6).upper()}"

    def free(self, text: str, exam: Exam) -> str:
        """What somebody wrote about the exam, without what is known to name its patient, and without UIDs."""
        if not text:
            return text
        without = _identifiers(exam).sub(WITHHELD, text)
        return UID.sub(lambda found: self.uid(found[0]), without)

    def drawn(self, answer: Mapping[str, Any], exam: Exam) -> dict[str, Any]:
        """What was drawn in images of the exam, with their UIDs replaced and its label as `free` has it."""
        kept = {**answer, "SOPInstanceUID": self.uid(str(answer.get("SOPInstanceUID", "")))}
        return kept | ({"label": self.free(str(answer["label"]), exam)} if "label" in answer else {})

    @cached_property
    def _salt(self) -> salts.Salt:
        return salts.of_study(self.study.slug)


def _identifiers(exam: Exam) -> re.Pattern[str]:
    """What matches the exam's identifiers in running text, whatever their case."""
    dates = [exam.patient_birth_date, exam.study_date]
    spelled = [text for day in dates if day for text in (f"{day:%Y-%m-%d}", f"{day:%Y%m%d}", f"{day:%d.%m.%Y}")]
    known = [
        *(part for part in re.split(r"[\^=\s,]+", exam.patient_name) if len(part) >= _SHORTEST),
        *(one for one in (exam.patient_id, exam.accession_number) if one),
        *spelled,
    ]
    if not known:
        return re.compile(r"(?!)")
    longest_first = sorted(set(known), key=lambda one: (-len(one), one))
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(one) for one in longest_first)})(?!\w)", re.IGNORECASE)


def cases_in(scope: Scope, prefix: str = "") -> Q:
    """The condition that keeps rows of the scope's cases; prefix: the way to the case, such as `case__`."""
    return Q(**{f"{prefix}study": scope.study, f"{prefix}is_pilot": scope.is_pilot})
