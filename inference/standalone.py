"""A pipeline on a folder of DICOM files: no database, no broker, no server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from dicom_ingest.headers import SeriesHeader, exam_header, series_header_of_dataset
from inference.errors import NoEligibleSeries, NotOneExam
from inference.execution import Report, WorkOrder, carry_out
from inference.schema import Pipeline
from inference.selection import Selection, select_series
from inference.timing import OnStep, OperatorTiming

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class ExamFiles:
    """The files of one exam by SeriesInstanceUID, each series' header, and the files left out, with the reason."""

    series: Mapping[str, Sequence[Path]]
    headers: tuple[SeriesHeader, ...]
    left_out: Mapping[Path, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason for which files were left out."""
        return tuple(self._note(reason) for reason in dict.fromkeys(self.left_out.values()))

    def _note(self, reason: str) -> str:
        files = [file.name for file, why in self.left_out.items() if why == reason]
        return f"Left out: {files[0]}{f' and {len(files) - 1} more' if files[1:] else ''} {reason}."


@dataclass(frozen=True)
class Run:
    """A finished run: what was read and chosen, what came out, and the files written."""

    exam: ExamFiles
    selection: Selection
    report: Report
    files: tuple[Path, ...]


def read_exam(folder: Path) -> ExamFiles:
    """Sort the DICOM files below `folder` into series. Raises NotOneExam when they are not of exactly one exam."""
    instances: dict[str, tuple[Path, Dataset]] = {}
    left_out: dict[Path, str] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        header = _read_header(file)
        if header is None:
            left_out[file] = "(not a DICOM instance)"
        elif header.SOPInstanceUID in instances:
            left_out[file] = "(a second copy of an instance)"
        else:
            instances[header.SOPInstanceUID] = file, header
    exams = {header.StudyInstanceUID for _, header in instances.values()}
    if len(exams) != 1:
        raise NotOneExam(f"{folder} holds {len(exams) or 'no'} exams. Give a folder with the DICOM files of one exam.")
    return _by_series(instances, left_out)


def run_on_folder(
    pipeline: Pipeline, folder: Path, out: Path, *, models_dir: Path, salt: str, run: str, on_step: OnStep
) -> Run:
    """Select in `folder`, run `pipeline` on what was selected, write the result's files and `results.json` into `out`.

    There is no earlier exam: a pipeline that compares with one says so in the notes of its result.
    Raises NotOneExam, NoEligibleSeries, and whatever `execution.carry_out` raises.
    """
    exam = read_exam(folder)
    selection = select_series(exam_header(exam.headers), exam.headers, pipeline.input)
    if not selection.series_instance_uids:
        raise NoEligibleSeries(selection.reason)
    order = WorkOrder(
        pipeline=pipeline,
        digest=pipeline.digest,
        files=tuple(file for uid in selection.series_instance_uids for file in exam.series[uid]),
        models_dir=models_dir,
        salt=salt,
        run=run,
        out=out,
    )
    timings: list[OperatorTiming] = []
    report = carry_out(order, on_step=lambda timing: _hear(timing, timings, on_step))
    results = out / RESULTS_FILE
    content = _results(pipeline, selection, report, timings)
    results.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Run(exam, selection, report, (*(file.path for file in report.files), results))


def _hear(timing: OperatorTiming, timings: list[OperatorTiming], on_step: OnStep) -> None:
    timings.append(timing)
    on_step(timing)


def _read_header(file: Path) -> Dataset | None:
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True)
    except (InvalidDicomError, EOFError):
        return None
    needed = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return header if all(keyword in header for keyword in needed) else None


def _by_series(instances: Mapping[str, tuple[Path, Dataset]], left_out: Mapping[Path, str]) -> ExamFiles:
    grouped: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for file, header in instances.values():
        grouped[str(header.SeriesInstanceUID)].append((file, header))
    for members in grouped.values():
        members.sort(key=lambda member: int(member[1].get("InstanceNumber") or 0))
    headers = (series_header_of_dataset(of[0][1], number_of_instances=len(of)) for of in grouped.values())
    files = {uid: [file for file, _ in members] for uid, members in grouped.items()}
    return ExamFiles(files, tuple(headers), left_out)


def _results(
    pipeline: Pipeline, selection: Selection, report: Report, timings: Sequence[OperatorTiming]
) -> dict[str, object]:
    return {
        "notice": pipeline.notice,
        "pipeline": {"name": pipeline.name, "version": pipeline.version, "digest": pipeline.digest},
        "models": [
            {"alias": alias, "name": pin.name, "version": pin.version, "digest": pin.sha256}
            for alias, pin in pipeline.models.items()
        ],
        "input_series_instance_uids": list(selection.series_instance_uids),
        "selection": selection.reason,
        "segmentation_series_instance_uid": _segmentation_uid(report),
        **report.model_dump(mode="json", exclude={"files"}),
        "files": [{"kind": file.kind, "name": file.path.name} for file in report.files],
        "timings": [asdict(timing) for timing in timings],
    }


def _segmentation_uid(report: Report) -> str | None:
    written = next((file.path for file in report.files if file.kind == "seg"), None)
    if written is None:
        return None
    return str(pydicom.dcmread(written, specific_tags=["SeriesInstanceUID"], stop_before_pixels=True).SeriesInstanceUID)
