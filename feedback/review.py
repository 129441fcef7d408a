"""What all readers said of a result, for those who may know."""

from collections import defaultdict
from dataclasses import dataclass

from dicom_ingest.models import Exam
from feedback.history import Statement, statements
from feedback.models import Response
from feedback.responses import visible_responses
from inference.models import Result
from portal.access import Capability
from portal.models import User


@dataclass(frozen=True, kw_only=True)
class ReaderStatements:
    """What counts of one reader, and what they said before that, newest first."""

    author: User
    latest: Statement
    earlier: tuple[Statement, ...]


def may_review(user: User, result: Result) -> bool:
    """Whether `user` may see everybody's feedback on the exam of `result`."""
    return Exam.objects.visible_to(user, Capability.VIEW_ALL_FEEDBACK).filter(pk=result.exam_id).exists()


def statements_by_reader(result: Result, user: User) -> list[ReaderStatements]:
    """What each reader said of `result`, as far as `user` may see it, by reader's name."""
    by_author: defaultdict[User, list[Response]] = defaultdict(list)
    for response in visible_responses(user).filter(result=result).order_by("-submitted_at"):
        by_author[response.author].append(response)
    said = [(author, statements(responses)) for author, responses in by_author.items()]
    return [
        ReaderStatements(author=author, latest=latest, earlier=tuple(earlier))
        for author, (latest, *earlier) in sorted(said, key=lambda item: item[0].get_username())
    ]
