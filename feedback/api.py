"""Feedback over REST: the same services as the page, and the same limits."""

from datetime import datetime, timedelta
from typing import Any

import django_filters
from django.conf import settings
from django.db.models import QuerySet
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from feedback.forms import InvalidAnswers, form_for
from feedback.models import Form, Response
from feedback.responses import NotAccepted, ReasonMissing, submit, visible_responses, visible_results
from inference.models import Result
from portal.audit.actions import Action
from portal.audit.rest import PutsViewsOnRecord


class Conflict(APIException):
    """Something that happened meanwhile stands in the way; the detail says what."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class FeedbackFilter(django_filters.FilterSet):
    """`?exam=` takes the exam's StudyInstanceUID, `?result=` the result's id."""

    exam = django_filters.CharFilter(
        field_name="result__exam__study_instance_uid", label="StudyInstanceUID of the exam"
    )
    result = django_filters.UUIDFilter(field_name="result_id")

    class Meta:
        model = Response
        fields = ["exam", "result"]


class FormSerializer(serializers.ModelSerializer[Form]):
    class Meta:
        model = Form
        fields = ["slug", "version"]


class VisibleResultField(serializers.PrimaryKeyRelatedField[Result]):
    """A result of an exam that the caller may see; any other does not exist."""

    def get_queryset(self) -> QuerySet[Result]:
        return visible_results(self.context["request"].user)


class OwnResponseField(serializers.PrimaryKeyRelatedField[Response]):
    """One of the caller's own responses."""

    def get_queryset(self) -> QuerySet[Response]:
        return Response.objects.filter(author=self.context["request"].user)


class FeedbackSerializer(serializers.ModelSerializer[Response]):
    result = VisibleResultField(pk_field=serializers.UUIDField())
    exam = serializers.CharField(source="result.exam.study_instance_uid", read_only=True, help_text="StudyInstanceUID")
    author = serializers.CharField(source="author.username", read_only=True, help_text="User name")
    form = FormSerializer(read_only=True)
    answers = serializers.DictField(help_text="An answer for each question key of the form of the exam's study")
    started_at = serializers.DateTimeField(
        write_only=True, required=False, help_text="When the reader began; without it `seconds` stays empty"
    )
    active_seconds = serializers.FloatField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        help_text="How many of the seconds the client was in use, as it counted; none when left out",
    )
    reason = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=2000, help_text="Why, for an amendment; it needs one"
    )
    amends = OwnResponseField(
        pk_field=serializers.UUIDField(),
        required=False,
        allow_null=True,
        default=None,
        help_text="The caller's latest response to the result, which this one replaces",
    )

    class Meta:
        model = Response
        fields = [
            "id",
            "result",
            "exam",
            "author",
            "form",
            "answers",
            "started_at",
            "seconds",
            "active_seconds",
            "source",
            "submitted_at",
            "amends",
            "reason",
            "sitting",
        ]
        read_only_fields = ["id", "seconds", "source", "submitted_at", "sitting"]
        validators: list[Any] = []  # `submit` refuses a second first response, and says what to do

    def validate_started_at(self, started_at: datetime) -> datetime:
        longest = timedelta(seconds=settings.SESSION_COOKIE_AGE)
        if not timedelta() <= now() - started_at <= longest:
            raise serializers.ValidationError(f"Give a time in the past, not more than {longest} hours ago.")
        return started_at

    def create(self, validated_data: dict[str, Any]) -> Response:
        result, author = validated_data["result"], self.context["request"].user
        started_at = validated_data.get("started_at")
        try:
            return submit(
                result=result,
                author=author,
                form=form_for(result, author),
                answers=validated_data["answers"],
                seconds=(now() - started_at).total_seconds() if started_at else None,
                active_seconds=validated_data["active_seconds"],
                amends=validated_data["amends"],
                reason=validated_data["reason"],
                source=Response.Source.API,
            )
        except InvalidAnswers as fault:
            raise serializers.ValidationError({"answers": fault.messages}) from fault
        except ReasonMissing as fault:
            raise serializers.ValidationError({"reason": [str(fault)]}) from fault
        except NotAccepted as fault:
            raise Conflict(str(fault)) from fault


REFUSAL = inline_serializer("Refusal", {"detail": serializers.CharField()})


class FeedbackViewSet(
    mixins.CreateModelMixin,
    PutsViewsOnRecord,
    viewsets.GenericViewSet[Response],
):
    """Feedback on results: one's own, and everybody's where a role lets one see it. Append-only."""

    viewed_as = Action.FEEDBACK_VIEWED
    listed_as = "api/feedback"
    serializer_class = FeedbackSerializer
    filterset_class = FeedbackFilter
    queryset = Response.objects.none()
    request: Request

    def get_queryset(self) -> QuerySet[Response]:
        return visible_responses(self.request.user)

    @extend_schema(
        responses={
            201: FeedbackSerializer,
            403: OpenApiResponse(REFUSAL, description="The caller does not read this exam."),
            409: OpenApiResponse(
                REFUSAL, description="Superseded, or answered already and `amends` is not the latest."
            ),
        }
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Save a response. 400 lists under `answers` a sentence for each question that is not answered rightly."""
        return super().create(request, *args, **kwargs)
