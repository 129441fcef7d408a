"""How soon a reviewer can judge a case: `python -m benchmarks.quality FOLDER`.

FOLDER holds the demonstration's exams, as `make demo` leaves them in `.overread/cache/exams`. They are received, their
pipelines run, and each case's pictures are made; then the page is asked for over HTTP, and judged with keys in
Chromium: from the key to the next case's images being there.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright
from rich.console import Console

from benchmarks.dicomweb_ours import environment, running, wait_for
from benchmarks.studies import session_of
from portal.demo import engines
from tests.ports import free_port

if TYPE_CHECKING:
    from portal.models import User
    from studies.models import Case

RESULT = Path(__file__).parent / "results" / "quality.json"
PAGES = 50
TARGET_SECONDS = 10
_PASSWORD = "a-password-of-a-benchmark"  # noqa: S105 - of a database that is gone in a minute
LOOK_MS = 1000
EXAMS = {"DEMO-G1": "glioma-followup", "DEMO-L1": "liver-transplant", "DEMO-X1": "hip-fracture"}
_IMAGES_ARE_THERE = "() => [...document.querySelectorAll('.qc-large')].every((one) => one.complete && one.naturalWidth)"
_IS_ANOTHER = "document.querySelector('[data-qc-title]').innerText !== before"


@dataclass
class Figures:
    """Seconds, by what took them."""

    preparing: dict[str, float] = field(default_factory=dict)
    pages: list[float] = field(default_factory=list)
    pictures: list[float] = field(default_factory=list)
    bytes_a_case: list[int] = field(default_factory=list)
    next_case: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, print and write the file."""
    with tempfile.TemporaryDirectory(prefix="bench-quality-") as folder, ExitStack() as stack:
        found = _measure(Path(folder), Path(sys.argv[1]), stack)
    figures = {
        "preparing_s": found.preparing,
        "page": _in_short(found.pages),
        "all_pictures_of_a_case": _in_short(found.pictures),
        "kilobytes_a_case": round(statistics.median(found.bytes_a_case) / 1000),
        "key_to_next_case": _in_short(found.next_case),
        "target_s_a_case": TARGET_SECONDS,
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    Console().print(figures)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")


def _in_short(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(1000 * one for one in seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {"n": len(ordered), "median_ms": round(statistics.median(ordered), 1), "p95_ms": round(p95, 1)}


def _measure(home: Path, exams: Path, stack: ExitStack) -> Figures:
    started = stack.enter_context(engines.running(home))
    port = free_port()
    os.environ.update(started.environment | environment(home, port) | {"OVERREAD_DEMO": "1"})
    import django  # noqa: PLC0415 - needs the settings above

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    for pipeline in EXAMS.values():
        call_command("pipelines", "fetch", pipeline)
    user, cases = _cases(exams)
    found = Figures()
    for case in cases:
        found.preparing[case.study.slug] = round(_prepared(case), 2)
    stack.enter_context(running([sys.executable, "manage.py", "serve"], log=home / "serve.log"))
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/healthz")
    _ask(url, user, cases, found)
    _judge(url, user, cases, found)
    return found


def _cases(exams: Path) -> tuple[User, list[Case]]:
    """A reviewer, and cases whose pipelines have ended: a glioma by MR, a liver by CT, hips by X-ray."""
    from inference import runner  # noqa: PLC0415 - after django.setup()
    from portal.models import User  # noqa: PLC0415
    from studies.cases import case_flow, enrolment  # noqa: PLC0415
    from studies.models import Case  # noqa: PLC0415

    user = User.objects.create_superuser("reviewer", password=_PASSWORD)
    for accession, pipeline in EXAMS.items():
        _receive(exams / accession, _study(pipeline))
    enrolment.enrol_complete_exams()
    case_flow.advance()
    while runner.run_next():
        pass
    case_flow.advance()
    cases = list(Case.objects.select_related("study__ae_title", "protocol", "exam").order_by("state_at", "pk"))
    if wrong := [f"{one.study}: {one.state_reason}" for one in cases if one.state != Case.State.AWAITING_QC]:
        sys.exit("\n".join(wrong))
    return user, cases


def _study(pipeline: str) -> str:
    """An AE title whose exams become cases of a study with that pipeline; they are checked before they are read."""
    from studies.models import Study  # noqa: PLC0415 - after django.setup()
    from studies.protocols import protocol  # noqa: PLC0415
    from studies.protocols.protocol_schema import (  # noqa: PLC0415
        Arm,
        Arrival,
        FrozenPipeline,
        PipelineFindings,
        Protocol,
        QualityControl,
    )

    called = pipeline.upper()[:16]
    if Study.objects.filter(slug=pipeline).exists():
        return called
    document = Protocol(
        title=pipeline.replace("-", " ").capitalize(),
        question="How long does its check take?",
        arrival=Arrival(ae_title=called),
        pipelines=(FrozenPipeline(name=pipeline),),
        arms=(Arm(key="ai", label="AI", findings=PipelineFindings(pipeline=pipeline)),),
        quality_control=QualityControl(required=True),
    )
    study = protocol.begin(document, slug=pipeline, by=None)
    protocol.freeze(study.protocols.get(), by=None)
    study.stage = study.Stage.ACTIVE
    study.save(update_fields=["stage"])
    return called


def _receive(folder: Path, called_ae: str) -> None:
    from django.utils.timezone import now  # noqa: PLC0415 - after django.setup()

    from dicom_ingest import indexer  # noqa: PLC0415
    from dicom_ingest.models import Route  # noqa: PLC0415

    for file in sorted(folder.glob("*.dcm")):
        indexer.receive_part10(file.read_bytes(), called_ae=called_ae, calling_ae="BENCH")
    Route.objects.filter(called_ae=called_ae).update(completed_at=now(), dispatched_at=now())


def _prepared(case: Case) -> float:
    """How long it takes to make the pictures of the case."""
    from studies.quality import preparation  # noqa: PLC0415 - after django.setup()

    started = time.perf_counter()
    found = preparation.prepared(case)
    seconds = time.perf_counter() - started
    if not found.manifest.is_whole:
        sys.exit(f"{case}: {[one.problem for one in found.manifest.findings]}")
    return seconds


def _ask(url: str, user: User, cases: list[Case], found: Figures) -> None:
    """Every page and all its pictures, one after the other."""
    from studies.quality import preparation  # noqa: PLC0415 - after django.setup()

    session = session_of(user)
    session.get(f"{url}/qc/", timeout=60)  # starts the server's workers
    for place in range(PAGES):
        case = cases[place % len(cases)]
        started = time.perf_counter()
        session.get(f"{url}/qc/cases/{case.pk}/", timeout=60).raise_for_status()
        found.pages.append(time.perf_counter() - started)
        started = time.perf_counter()
        answers = [session.get(url + path, timeout=60) for path in preparation.prepared(case).addresses(case.pk)]
        found.pictures.append(time.perf_counter() - started)
        found.bytes_a_case.append(sum(len(one.content) for one in answers))


def _judge(url: str, user: User, cases: list[Case], found: Figures) -> None:
    """With keys, each case as soon as it may be: what is measured is from the key to the next case's images."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}/login/?next=/qc/")
        page.fill("[name=username]", user.username)
        page.fill("[name=password]", _PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_function(_IMAGES_ARE_THERE)
        for number, _ in enumerate(cases, start=1):
            if folder := os.environ.get("OVERREAD_SCREENSHOTS"):
                page.screenshot(path=Path(folder) / f"qc-bench-{number}.png")
            page.wait_for_timeout(LOOK_MS)
            before = page.inner_text("[data-qc-title]")
            started = time.perf_counter()
            page.keyboard.press("n" if number < len(cases) else "a")
            page.wait_for_function(f"(before) => ({_IMAGES_ARE_THERE})() && {_IS_ANOTHER}", arg=before)
            found.next_case.append(time.perf_counter() - started)
        browser.close()


if __name__ == "__main__":
    main()
