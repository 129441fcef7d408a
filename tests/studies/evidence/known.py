"""Studies whose numbers can be worked out by hand: cases, truth, findings and answers as a test dictates them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dicom_ingest.models import Series
from feedback.form_schema import FormDefinition
from feedback.forms import register
from feedback.models import Form, Response
from inference.models import Finding, Job, PipelineVersion, Result
from portal.models import User
from studies.evidence import measures
from studies.evidence.models import MaskComparison, StructureOverlap
from studies.evidence.scope import Scope
from studies.evidence.shape import EndpointEvidence, Evidence, Line
from studies.models import ArmFinding, Case, CaseTruth, Read, ReadResponse, Study, TruthVersion
from tests.studies.reading.reading import Bench, bench, result_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DETECTION: dict[str, Any] = {
    "name": "detection",
    "title": "Finding and confidence",
    "sections": [
        {
            "questions": [
                {
                    "key": "finding",
                    "type": "single-choice",
                    "label": "Finding",
                    "choices": [{"value": "present", "label": "Present"}, {"value": "absent", "label": "Absent"}],
                },
                {"key": "confidence", "type": "scale", "label": "Suspicion"},
                {"key": "size", "type": "number", "label": "Size", "unit": "mm", "required": False},
            ]
        }
    ],
}
IMPORTED = {"source": "import", "answers": ["finding"]}


def endpoint(measure: str, **more: Any) -> dict[str, Any]:
    """An endpoint of that measure, about the finding unless told otherwise."""
    return {"key": measure, "label": measure.capitalize(), "measure": measure, "question": "finding"} | more


@dataclass
class Known:
    """One study. Cases are numbered from 1."""

    bench: Bench
    form: Form
    cases: dict[int, Case] = field(default_factory=dict)

    @property
    def study(self) -> Study:
        return self.bench.study

    @classmethod
    def study_of(
        cls, design: dict[str, Any], *, form: Mapping[str, Any] = DETECTION, slug: str = "known", **document: Any
    ) -> Known:
        """A study of that design whose readers answer `form` and are called by their names."""
        about: dict[str, Any] = {
            "forms": [dict(form)],
            "reference": IMPORTED,
            "blinding": {"readers": "blinded", "patient": "hidden", "reader_names": "named"},
        }
        is_read = design["kind"] not in ("standalone", "shadow")
        made = bench(design | ({"form": form["name"]} if is_read else {}), slug=slug, **(about | document))
        if not is_read:
            return cls(bench=made, form=register(str(form["name"]), FormDefinition.model_validate(form)))
        return cls(bench=made, form=Form.objects.get(slug=form["name"]))

    def with_cases(self, count: int, **fields: Any) -> Known:
        for number in range(len(self.cases) + 1, len(self.cases) + count + 1):
            self.cases[number] = self.bench.case(findings=(), **fields)
        return self

    def truth(
        self, values: Mapping[int, Any], *, key: str = "finding", series: Mapping[int, Series] | None = None
    ) -> None:
        """Lock a new version of the truth that says this of the cases, and nothing of others."""
        by, _ = User.objects.get_or_create(username="truth-keeper")
        number = TruthVersion.objects.filter(study=self.study).count() + 1
        version = TruthVersion.objects.create(study=self.study, number=number, source="import", made_by=by)
        CaseTruth.objects.bulk_create(
            CaseTruth(
                version=version,
                case=self.cases[case],
                values={key: value} if value is not None else {},
                series=(series or {}).get(case),
            )
            for case, value in values.items()
        )
        TruthVersion.objects.filter(pk=version.pk).update(locked_at=NOON)

    def read(self, case: int, reader: User, condition: str = "alone", **fields: Any) -> Read:
        """One read that was dealt out."""
        about: dict[str, Any] = {
            "arms": [],
            "form": self.form,
            "protocol": self.study.protocols.get(),
            "position": Read.objects.filter(study=self.study, reader=reader).count() + 1,
        }
        return Read.objects.create(
            study=self.study, case=self.cases[case], reader=reader, condition=condition, **(about | fields)
        )

    def answer(
        self,
        read: Read,
        *,
        active: float | None = 10.0,
        seconds: float | None = 20.0,
        at: datetime = NOON,
        **answers: Any,
    ) -> Response:
        """Submit the read with those answers."""
        response = Response.objects.create(
            form=self.form,
            author=read.reader,
            sitting=f"read/{read.pk}",
            answers=answers,
            seconds=seconds,
            active_seconds=active,
            submitted_at=at,
        )
        ReadResponse.objects.create(read=read, response=response, protocol=read.protocol)
        Read.objects.filter(pk=read.pk).update(state=Read.State.OPENED, opened_at=at)
        Read.objects.filter(pk=read.pk).update(state=Read.State.SUBMITTED, submitted_at=at)
        return response

    def said(self, reader: User, condition: str, said: Mapping[int, Mapping[str, Any]], **fields: Any) -> None:
        """Let the reader answer those cases."""
        for case, answers in said.items():
            self.answer(self.read(case, reader, condition, **fields), **answers)

    def amend(self, first: Response, **answers: Any) -> None:
        amended = Response.objects.create(
            form=self.form,
            author=first.author,
            sitting=first.sitting,
            answers=answers,
            amends=first,
            reason="Misread",
            submitted_at=first.submitted_at + timedelta(minutes=5),
        )
        read = first.read_response.read
        ReadResponse.objects.create(read=read, response=amended, protocol=read.protocol)

    def found(
        self,
        case: int,
        arm: str = "ai",
        *,
        values: Mapping[str, str] | None = None,
        drawn: Series | None = None,
        version: str = "1.0.0",
        **chances: float,
    ) -> ArmFinding:
        """What the arm says: a table's values, a segmentation from elsewhere, or of "ai" what a pipeline made."""
        if arm != "ai":
            return ArmFinding.objects.create(case=self.cases[case], arm=arm, values=dict(values or {}), series=drawn)
        result = result_of(self.cases[case].exam)
        if version != "1.0.0":
            made_by = PipelineVersion.objects.create(
                name="brain-extraction", version=version, digest=version[0] * 64, definition={}, title="Another"
            )
            Job.objects.filter(pk=result.job_id).update(pipeline=made_by)
        Result.objects.filter(pk=result.pk).update(segmentation=drawn)
        label(result, chances)
        return ArmFinding.objects.create(case=self.cases[case], arm=arm, result=result)

    def mask(self, case: int) -> Series:
        """A series of the case's exam that stands for a segmentation."""
        exam = self.cases[case].exam
        uid = f"{exam.study_instance_uid}.{exam.series.count() + 1}"
        return Series.objects.create(exam=exam, series_instance_uid=uid, modality="SEG")

    def evidence(self) -> Evidence:
        return measures.of_study(Study.objects.get(pk=self.study.pk))

    def pilot(self) -> Evidence:
        return measures.of(Scope(study=self.study, is_pilot=True))

    def endpoint(self, measure: str) -> EndpointEvidence:
        return next(one for one in self.evidence().endpoints if one.endpoint.measure == measure)


def label(result: Result, chances: Mapping[str, float]) -> None:
    if chances:
        most = max(chances, key=lambda one: chances[one])
        Finding.objects.create(
            result=result,
            kind="class",
            name="Finding",
            label=most,
            probability=chances[most],
            probabilities=dict(chances),
        )


def compared(first: Series, second: Series, *, problem: str = "", **overlaps: tuple[float, float, float]) -> None:
    """Keep Dice and both volumes by structure, as the worker does."""
    kept = MaskComparison.objects.create(first=first, second=second, problem=problem)
    for position, (structure, (dice, mine, theirs)) in enumerate(overlaps.items()):
        StructureOverlap.objects.create(
            comparison=kept, position=position, structure=structure, dice=dice, first_ml=mine, second_ml=theirs
        )


def one(lines: Iterable[Line], what: str, *, arm: str = "", reader: str | None = None, **more: Any) -> Line:
    """The one line that is called so, of that arm, and of that reader or of none in particular."""
    found = [
        line
        for line in lines
        if line.what == what
        and line.whose.arm == arm
        and (line.whose.reader.name if line.whose.reader else None) == reader
        and all(getattr(line.whose, name) == value for name, value in more.items())
    ]
    assert len(found) == 1, f"{len(found)} lines: {[(line.what, line.whose.label, line.whose.arm) for line in lines]}"
    return found[0]


def left_out(line: Line) -> dict[str, int]:
    return {missing.reason: missing.count for missing in line.missing}
