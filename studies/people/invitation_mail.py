"""Invitations by mail, where the portal has a mail server."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.utils.timezone import localtime

from studies.models import Invitation
from studies.people.members import name_of

log = logging.getLogger(__name__)

TEXT = """\
{inviter} invites you to the study "{title}" on Overread, as {role}.

Open this link to accept. It works once, until {until}:

{link}

If you do not know what this is about, do nothing.
"""


def send(invitation: Invitation, link: str) -> bool:
    """Whether the invitation's link went off by mail. It does not without a mail server, or to a user name."""
    if not settings.OVERREAD_MAIL_URL or invitation.names_a_user:
        return False
    text = TEXT.format(
        inviter=name_of(invitation.invited_by),
        title=invitation.study.title,
        role=invitation.get_role_display().lower(),
        until=f"{localtime(invitation.expires_at):%Y-%m-%d %H:%M}",
        link=link,
    )
    try:
        send_mail(f"Invitation to the study {invitation.study.title}", text, None, [invitation.addressee])
    except (SMTPException, OSError):
        log.exception("An invitation could not be mailed; the coordinator is shown its link.")
        return False
    return True
