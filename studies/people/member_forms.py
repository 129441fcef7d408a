"""What is entered to make somebody a member."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from portal.access import Role
from portal.accounts.entries import DirectoryIsAway
from portal.models import User
from studies.models import Invitation, Study
from studies.people import members


class _RoleForm(forms.Form):
    """A role, and for those who read, which kind of reader of the protocol."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.READER)
    reader_role = forms.ChoiceField(label="Kind of reader", required=False)

    def __init__(self, *given: Any, study: Study, **more: Any) -> None:
        super().__init__(*given, **more)
        kinds = members.reader_roles(study)
        choices: list[tuple[str, str]] = [("", "not told apart"), *kinds]
        self.fields["reader_role"] = forms.ChoiceField(label="Kind of reader", required=False, choices=choices)
        if not kinds:
            del self.fields["reader_role"]

    def clean_reader_role(self) -> str:
        kind: str = self.cleaned_data["reader_role"]
        if kind and self.cleaned_data.get("role") not in {Role.READER, Role.ANNOTATOR, Role.ADJUDICATOR}:
            raise ValidationError("Only readers, annotators and adjudicators are told apart: choose “not told apart”.")
        return kind

    @property
    def granted(self) -> tuple[Role, str]:
        """The role and the kind of reader that were chosen."""
        return Role(self.cleaned_data["role"]), self.cleaned_data.get("reader_role", "")


class InvitationForm(_RoleForm):
    addressee = forms.CharField(
        label="E-mail address or user name",
        max_length=254,
        error_messages={"required": "Enter whom you invite."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    field_order = ("addressee", "role", "reader_role")

    def clean_addressee(self) -> str:
        addressee: str = self.cleaned_data["addressee"]
        if "@" in addressee:
            validate_email(addressee)
        else:
            UnicodeUsernameValidator()(addressee)
        return addressee


class GroupGrantForm(_RoleForm):
    group = forms.CharField(
        label="Group's DN in the directory",
        max_length=1000,
        error_messages={"required": "Enter the DN of a group, as the directory has it."},
        widget=forms.TextInput(
            attrs={"placeholder": "cn=readers,ou=groups,dc=hospital,dc=example", "autocomplete": "off", "class": "code"}
        ),
    )
    field_order = ("group", "role", "reader_role")

    def clean_group(self) -> str:
        group: str = self.cleaned_data["group"]
        try:
            if not _is_in_the_directory(group):
                raise ValidationError(
                    "The directory has no such group below %(base)s. Copy the DN from the directory.",
                    params={"base": settings.OVERREAD_LDAP.group_base},
                )
        except DirectoryIsAway as fault:
            raise ValidationError(
                "The directory cannot be reached to look for it. Try again in some minutes."
            ) from fault
        return group


def _is_in_the_directory(group: str) -> bool:
    from portal.accounts.directory import connected, has_group  # noqa: PLC0415 - needs the extra `ldap`

    with connected() as connection:
        return has_group(connection, group)


def _is_a_hospital_account(username: str) -> bool:
    from portal.accounts.directory import connected, look_up  # noqa: PLC0415 - needs the extra `ldap`

    with connected() as connection:
        return look_up(connection, username) is not None


class AccountForm(UserCreationForm[User]):
    """A local account for somebody who was invited and has none. Who was invited by user name gets that one."""

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name")

    def __init__(self, *given: Any, invitation: Invitation, **more: Any) -> None:
        super().__init__(*given, **more)
        self.invitation = invitation
        self.fields["username"].label = "User name"
        self.fields["password2"].label = "Password again"
        for name, field in self.fields.items():
            field.required = True
            field.error_messages["required"] = f"Enter the {str(self.fields[name].label).lower()}."
        if invitation.names_a_user:
            self.fields["username"].disabled = True
            self.initial["username"] = invitation.addressee
        else:
            self.instance.email = invitation.addressee

    def clean_username(self) -> str:
        """Raises ValidationError for the name of a hospital account, which could not sign in beside a local one."""
        username = str(super().clean_username())
        try:
            if settings.OVERREAD_LDAP.is_on and _is_a_hospital_account(username):
                raise ValidationError("A hospital account has this name: sign in with that, or choose another name.")
        except DirectoryIsAway as fault:
            raise ValidationError("The hospital's directory cannot be reached. Try again in some minutes.") from fault
        return username
