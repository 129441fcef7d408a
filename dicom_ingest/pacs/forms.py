"""What can be asked of a remote, and what of its answer is brought in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from django import forms
from django.core import signing
from django.core.validators import RegexValidator
from django.db.models import QuerySet

from dicom_ingest.models import AETitle
from dicom_ingest.pacs.models import Remote
from dicom_ingest.pacs.query import Criteria, Match
from portal.access import Capability, ae_titles_where
from portal.models import User

_SALT = "pacs.match"
_VALID_SECONDS = 12 * 3600
# A backslash parts the values of an attribute; a control character has no place in any.
_plain = RegexValidator(r"^[^\\\x00-\x1f\x7f]*$", "Leave out backslashes and control characters.")
_modality = RegexValidator(r"^[A-Z0-9_ ]*$", "A modality is written as MR, CT, CR.")


class SearchForm(forms.Form):
    """One search of one remote."""

    remote = forms.ModelChoiceField(
        queryset=Remote.objects.filter(active=True, may_query=True), empty_label=None, label="Remote"
    )
    patient_id = forms.CharField(required=False, max_length=64, label="Patient ID", validators=[_plain])
    patient_name = forms.CharField(required=False, max_length=64, label="Patient name", validators=[_plain])
    accession_number = forms.CharField(required=False, max_length=16, label="Accession number", validators=[_plain])
    date_from = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    date_to = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    modality = forms.CharField(required=False, max_length=16, label="Modality", validators=[_modality])

    def __init__(self, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data, label_suffix="")
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("class", "form-select" if name == "remote" else "form-control")
            field.widget.attrs["autocomplete"] = "off"

    @property
    def criteria(self) -> Criteria:
        """What was filled in, once it is valid."""
        return Criteria(**{name: value for name, value in self.cleaned_data.items() if name != "remote" and value})


class BringInForm(forms.Form):
    """Exams chosen from an answer, and where they shall come to."""

    remote = forms.ModelChoiceField(queryset=Remote.objects.filter(active=True).exclude(retrieve=""))
    called_ae = forms.ModelChoiceField(queryset=AETitle.objects.none(), to_field_name="title", empty_label=None)

    def __init__(self, user: User, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data)
        self.fields["called_ae"].queryset = destinations(user)  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An exam that can be chosen: its UID and what it is."""

    remote: int
    uid: str
    description: str

    @classmethod
    def of(cls, match: Match, remote: Remote) -> Choice:
        return cls(remote=remote.pk, uid=match.study_instance_uid, description=match.description)

    @classmethod
    def read(cls, token: str) -> Choice:
        """The choice that this portal wrote. Raises BadSignature for anything else."""
        return cls(**signing.loads(token, salt=_SALT, max_age=_VALID_SECONDS))

    @property
    def token(self) -> str:
        """The choice as a page carries it: only what a search has shown can be chosen."""
        return signing.dumps(asdict(self), salt=_SALT)


def destinations(user: User) -> QuerySet[AETitle]:
    """Our AE titles that `user` may bring exams in to: those of the studies they coordinate."""
    return AETitle.objects.filter(ae_titles_where(user, Capability.QUERY_PACS), active=True)
