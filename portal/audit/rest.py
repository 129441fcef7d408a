"""Views over REST of what is a patient's, put on record."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from portal.audit import trail
from portal.audit.actions import Action


class PutsViewsOnRecord(mixins.RetrieveModelMixin, mixins.ListModelMixin):
    """Mixed into a viewset instead of those two, or before them.

    One thing is a view of its exam, a list is one row that counts.

    viewed_as: what looking at one thing is; listed_as: what the list is called; exam_field: where the answer says the
    StudyInstanceUID; key_field: where it says which thing of the exam's it is, "" for the exam itself.
    """

    viewed_as: ClassVar[Action]
    listed_as: ClassVar[str]
    exam_field: ClassVar[str] = "exam"
    key_field: ClassVar[str] = "id"

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().retrieve(request, *args, **kwargs)
        key = str(response.data[self.key_field]) if self.key_field else ""
        trail.record_on_exam(self.viewed_as, exam=response.data[self.exam_field], of=key)
        return response

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().list(request, *args, **kwargs)
        detail = {"count": len(response.data["results"]), "keys": sorted(request.query_params)}
        trail.record(Action.EXAMS_LISTED, of=self.listed_as, detail=detail)
        return response
