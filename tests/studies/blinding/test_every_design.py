"""In every design that is read: who made a finding, what others answer and who the patient is cannot be told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import pydicom
import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from dicom_ingest.models import Series
from feedback.models import Correction
from inference.models import Result
from portal.access import Role
from portal.models import User
from studies.annotation import dealing as annotation_dealing
from studies.models import Case, Membership, Read, ReadReport
from studies.protocols import design_schema
from studies.reading import adjudication, assignment
from studies.reading.measurements import keep_report
from studies.reading.reads import open_read, submit
from tests.inference.received import receive
from tests.studies.annotation.makers import affine_of, nifti
from tests.studies.annotation.makers import file_of as nifti_file
from tests.studies.blinding.conftest import MakeScene
from tests.studies.blinding.makers import (
    EARLIER,
    FORM,
    LIVER,
    TRACES,
    Masks,
    Scene,
    box,
    ours,
    persons,
    scan,
    sent,
    vendors,
)
from tests.studies.blinding.overheard import Listener
from tests.studies.blinding.reached import Answer, Root
from tests.studies.blinding.saved_reports import report_on
from tests.studies.blinding.test_every_byte import salted, true_uids
from tests.studies.reading.test_corrections import save

pytestmark = pytest.mark.timeout(900)
SignIn = Callable[[User], Client]
BIRDS = ("kestrel", "osprey", "heron")
"""Keys of the arms, which are words that stand nowhere else."""
OF_OTHERS = ("Zephyrine", "Quill", "wigwam")
WORDS_OF_PAGES = frozenset({"Overread", "coordinator", "governance", "machine"})
"""Traces that pages have for other reasons."""
BY_CHANCE = re.compile(rb"\b[A-Za-z0-9]{32,}\b")
"""Tokens of pages, in which any short word turns up now and then."""
ALL = list(BIRDS)
DESIGNS: dict[str, dict[str, Any]] = {
    "independent": {"kind": "independent", "arms": ALL},
    "independent, some readers": {"kind": "independent", "arms": ALL, "readers_per_case": 2},
    "one sitting": {"kind": "unaided-aided", "aid": "osprey"},
    "crossover": {"kind": "unaided-aided", "aid": "heron", "order": "crossover", "washout_days": 0},
    "fully crossed": {"kind": "multi-reader", "arms": ALL, "washout_days": 0},
    "split plot": {"kind": "multi-reader", "arms": ALL, "layout": "split-plot", "blocks": 1, "washout_days": 0},
    "preference": {"kind": "preference", "arms": ALL[:2]},
    "blind scoring": {"kind": "blind-scoring", "arms": ALL},
    "repeat": {"kind": "repeat", "arms": ALL, "share_percent": 100, "washout_days": 0},
}
VARIANTS = ("independent, some readers", "crossover", "split plot")
"""They differ from another design of their kind in who reads what and when, not in what a read shows."""
KINDS = {name: design for name, design in DESIGNS.items() if name not in VARIANTS}
of_every_design = pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
of_every_kind = pytest.mark.parametrize("design", KINDS.values(), ids=KINDS)


Made = dict[str, Result | Series]
"""What the arms are to say, by their keys."""


@dataclass(frozen=True)
class World:
    """A study of one case: what its arms have made, who reads beside the scene's reader, and who listens."""

    scene: Scene
    made: Made
    zephyrine: User
    client: Client

    def deal(self, *, turn: int = 0) -> int:
        """Let the arms speak, each with what the arm `turn` places further made, and deal the case out."""
        for number, arm in enumerate(BIRDS):
            self.scene.finding(arm, self.made[BIRDS[(number + turn) % len(BIRDS)]])
        return assignment.assign()

    def heard(self) -> list[Answer]:
        cache.clear()
        return list(Listener(self.client, self.scene.reader, self.scene).reads_all())


@pytest.fixture
def make_world(make_scene: MakeScene, signed_in: SignIn, tmp_path: Path) -> Callable[..., World]:
    def make(design: dict[str, Any], *, masks: dict[str, Masks] | None = None, **document: Any) -> World:
        arms = [
            {"key": "kestrel", "label": "Kestrel by Acme", "findings": {"kind": "pipeline", "pipeline": "acme-liver"}},
            {"key": "osprey", "label": "Osprey", "findings": {"kind": "dicom", "when": 'series.Modality == "SEG"'}},
            {"key": "heron", "label": "Heron", "findings": {"kind": "dicom", "when": 'series.Modality == "SEG"'}},
        ]
        scene = make_scene(arms=arms, design={"form": FORM, **design}, **document)
        drawn = masks or {arm: {LIVER: box()} for arm in BIRDS}
        made: Made = {
            "kestrel": ours(scene.instances, drawn["kestrel"], folder=tmp_path / "run"),
            "osprey": sent(vendors(scene.instances, drawn["osprey"])),
            "heron": sent(persons(scene.instances, drawn["heron"])),
        }
        Case.objects.update(state=Case.State.ENROLLED)
        zephyrine = other(scene)
        assignment.table_of(scene.study)  # draws the seeds, so that all that follows falls alike
        return World(scene, made, zephyrine, signed_in(scene.reader))

    return make


def other(scene: Scene) -> User:
    """A second reader of the study, of whom the first shall never hear."""
    user = User.objects.create_user("zephyrine", first_name="Zephyrine", last_name="Quill", email="quill@toboso.org")
    Membership.objects.create(study=scene.study, user=user, role=Role.READER)
    return user


def traces_in(answer: Answer, scene: Scene) -> set[str]:
    """What tells of patient, arms or others in the answer, the words apart that its own question had in it."""
    words = {*TRACES, *BIRDS, *OF_OTHERS} - (WORDS_OF_PAGES if "/dicomweb" not in answer.asked else set())
    content = answer.all if "/dicomweb" in answer.asked else BY_CHANCE.sub(b"", answer.all)
    told = content.replace(b"/static/vendor/", b"").lower()
    asked = set(re.split("[/?=&]", answer.asked))
    return {one for one in words | true_uids(scene) - asked if one.lower().encode() in told}


def test_every_kind_of_design_is_among_them() -> None:
    kinds = {one.model_fields["kind"].default for one in get_args(get_args(design_schema.Design)[0])}
    assert {design["kind"] for design in KINDS.values()} == kinds - {"standalone", "shadow"}, "those nobody reads"


@of_every_design
def test_a_reader_hears_no_word_of_arms_others_or_the_patient(
    make_world: Callable[..., World], design: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    patient = "hidden" if len(request.node.name) % 2 else "pseudonymised"
    world = make_world(design, blinding={"readers": "blinded", "patient": patient})
    assert world.deal() > 0
    read_by(world.zephyrine, comment="wigwam")
    assert_silent(world, world.heard(), answers=30)


def test_who_knows_the_stores_own_names_of_things_hears_nothing_by_them(make_world: Callable[..., World]) -> None:
    world = make_world(DESIGNS["blind scoring"])
    world.deal()
    read_by(world.zephyrine, comment="wigwam")
    assert_silent(world, list(Listener(world.client, world.scene.reader, world.scene).asks_everywhere()), answers=15)


@of_every_kind
def test_no_byte_depends_on_who_made_which_finding_or_on_what_others_did(
    make_world: Callable[..., World], design: dict[str, Any]
) -> None:
    """All arms drew the same. Another arm drew it, or another reader was here before: nothing is otherwise."""
    world = make_world(design)
    with undone():
        world.deal()
        alone = world.heard()
    with undone():
        world.deal(turn=1)
        assert differing(alone, world.heard()) == []
    with undone():
        world.deal()
        read_by(world.zephyrine, comment="wigwam")
        assert differing(alone, world.heard()) == []


def test_what_another_reader_draws_and_measures_changes_no_byte(
    make_world: Callable[..., World], signed_in: SignIn
) -> None:
    world = make_world(DESIGNS["blind scoring"])
    with undone():
        world.deal()
        alone = world.heard()
    with undone():
        world.deal()
        theirs = open_read(Read.objects.filter(reader=world.zephyrine).order_by("position")[0].pk, by=world.zephyrine)
        assert save(signed_in(world.zephyrine), theirs, {"Liver": box(high=3)})[0] == HTTPStatus.OK
        report, original = report_on(world.scene.instances[0])
        keep_report(theirs, report, by=world.zephyrine, original=original)
        assert (Correction.objects.count(), ReadReport.objects.count()) == (1, 1)
        heard = world.heard()
        assert differing(alone, heard) == []
        assert_silent(world, heard, answers=30)


@of_every_design
def test_a_case_comes_to_readers_when_the_last_arm_has_spoken_whichever_it_is(
    make_world: Callable[..., World], design: dict[str, Any]
) -> None:
    """When a read turns up tells nothing of how long its finding took, and so of who made it."""
    world = make_world(design)
    with undone():
        assert (dealt := world.deal()) > 0
    for late in {design["aid"]} if "aid" in design else set(design["arms"]):
        with undone():
            for arm in set(BIRDS) - {late}:
                world.scene.finding(arm, world.made[arm])
            assert assignment.assign() == 0
            world.scene.finding(late, world.made[late])
            assert assignment.assign() == dealt


def test_masks_that_differ_are_served_alike_in_all_but_their_pixels(make_world: Callable[..., World]) -> None:
    """One stored fractions of the frames that have something in them, one all frames in reverse: it does not show."""
    masks: dict[str, Masks] = {
        "kestrel": {LIVER: box()},
        "osprey": {LIVER: box(low=2, high=3)},
        "heron": {LIVER: box(low=0, high=5)},
    }
    world = make_world(DESIGNS["blind scoring"], masks=masks)
    world.deal()
    served = []
    for read in Read.objects.filter(reader=world.scene.reader):
        open_read(read.pk, by=world.scene.reader)
        root = Root(world.client, read)
        (series,) = root.series("SEG")
        at = f"/studies/{root.studies[0]}/series/{series['0020000E']['Value'][0]}"
        sop = root.json(f"{at}/instances")[0]["00080018"]["Value"][0]
        described = [root.get(at + below) for below in ("/metadata", "/instances")]
        frames = [root.get(f"{at}/instances/{sop}/frames/{number}", "*/*") for number in range(1, 7)]
        whole = root.get(f"{at}/instances/{sop}", "application/dicom; transfer-syntax=*")
        dataset = pydicom.dcmread(BytesIO(whole.body))
        del dataset.PixelData
        sizes = [(one.status, len(one.body), sorted(one.headers)) for one in (*described, *frames, whole)]
        served.append((sizes, [salted(one.all) for one in described], salted(str(dataset).encode())))
        submit_of(read)
    assert served[0] == served[1] == served[2]


def test_who_adjudicates_hears_both_answers_and_not_whose_they_are(
    make_world: Callable[..., World], signed_in: SignIn
) -> None:
    rule = {"question": "quality", "tolerance": 1, "form": FORM}
    world = make_world({"kind": "independent", "arms": ["osprey"]}, disagreement=rule)
    world.deal()
    judge = User.objects.create_user("judge")
    Membership.objects.create(study=world.scene.study, user=judge, role=Role.ADJUDICATOR)
    read_by(world.scene.reader, quality=1)
    read_by(world.zephyrine, quality=5)
    assert adjudication.assign() == 1
    for answer in Listener(signed_in(judge), judge, world.scene).reads_all():
        assert traces_in(answer, world.scene) == set(), answer.asked
        assert world.scene.reader.username.encode() not in answer.all, answer.asked


def test_priors_tell_no_more_than_the_exam_itself(make_world: Callable[..., World], tmp_path: Path) -> None:
    """A pipeline of ours and a vendor's AI drew on the earlier exam: readers see its images, and hear of neither."""
    before = scan(EARLIER)
    receive(before, called_ae="ELSEWHERE")
    ours(before, {LIVER: box()}, folder=tmp_path / "before")
    sent(vendors(before, {LIVER: box()}))
    blinding = {"readers": "blinded", "patient": "pseudonymised", "priors": 1}
    world = make_world(DESIGNS["blind scoring"], blinding=blinding)
    world.deal()
    read_by(world.zephyrine, comment="wigwam")
    heard = world.heard()
    assert_silent(world, heard, answers=30)
    found = [json.loads(one.body) for one in heard if one.asked.startswith("/series ")]
    modalities = {tuple(sorted(row["00080060"]["Value"][0] for row in rows)) for rows in found}
    assert modalities == {("MR", "MR", "SEG")}


def test_who_draws_masks_hears_nothing_of_what_others_drew(
    make_scene: MakeScene, signed_in: SignIn, tmp_path: Path
) -> None:
    arms = [
        {"key": "kestrel", "label": "Kestrel", "findings": {"kind": "pipeline", "pipeline": "acme-liver"}},
        {"key": "osprey", "label": "Osprey", "findings": {"kind": "dicom", "when": 'series.Modality == "SEG"'}},
        {"key": "heron", "label": "By hand", "findings": {"kind": "people", "gives": "masks"}},
    ]
    scene = make_scene(arms=arms, design=DESIGNS["blind scoring"] | {"form": FORM})
    Case.objects.update(state=Case.State.ENROLLED)
    annotator = User.objects.create_user("annotates")
    Membership.objects.create(study=scene.study, user=annotator, role=Role.ANNOTATOR)
    made = {high: ours(scene.instances, {LIVER: box(high=high)}, folder=tmp_path / f"run-{high}") for high in (2, 4)}
    vendor = sent(vendors(scene.instances, {LIVER: box()}))
    mask = nifti_file(nifti(box(), affine_of(scene.instances))).getvalue()
    heard = []
    for high in (2, 4):
        with undone():
            scene.finding("kestrel", made[high])
            scene.finding("osprey", vendor)
            assert annotation_dealing.assign_in(scene.study) == 1
            cache.clear()
            listener = Listener(signed_in(annotator), annotator, scene)
            heard.append(list(listener.draws_all(mask)))
            asked = list(listener.asks_everywhere())
    assert len([answer for answer in heard[0] if answer.status == 200]) >= 20
    assert differing(*heard) == []
    # What is to be drawn is named as the pipeline names it.
    told = {one.asked: found for one in (*heard[0], *asked) if (found := traces_in(one, scene) - {"Acme"})}
    assert told == {}


def assert_silent(world: World, heard: list[Answer], *, answers: int) -> None:
    """At least so many of them are answers, and none of all tells anything."""
    assert len([answer for answer in heard if answer.status == 200]) >= answers
    assert [answer.asked for answer in heard if answer.status >= 500] == []
    assert {answer.asked: found for answer in heard if (found := traces_in(answer, world.scene))} == {}


def read_by(reader: User, **answers: Any) -> None:
    """The reader answers all that was dealt to them."""
    for read in Read.objects.filter(reader=reader).order_by("position"):
        submit_of(read, **answers)


def submit_of(read: Read, **answers: Any) -> None:
    claim = open_read(read.pk, by=read.reader).claim
    submit(read.pk, by=read.reader, claim=claim, answers={"quality": 4, "verdict": "accept", **answers}, active=1.0)


def differing(one: list[Answer], another: list[Answer]) -> list[bytes]:
    """What was asked where the two heard something else."""
    assert len(one) == len(another)
    pairs = zip(sorted(map(_plain, one)), sorted(map(_plain, another)), strict=True)
    return [left[0] + b" " + difference(left, right) for left, right in pairs if left != right]


def difference(left: tuple[bytes, ...], right: tuple[bytes, ...]) -> bytes:
    """The first place where the two part, with what stands around it."""
    told, other = b" ".join(left), b" ".join(right)
    at = next((at for at, (a, b) in enumerate(zip(told, other, strict=False)) if a != b), min(len(told), len(other)))
    return told[max(0, at - 60) : at + 60] + b" <-> " + other[max(0, at - 60) : at + 60]


def _plain(answer: Answer) -> tuple[bytes, bytes, bytes]:
    """Without what is new each time for everybody: salted UIDs and the order by them, secrets, claims, moments.

    A page whose words take as much room as before may still count seconds in more digits.
    """
    told = {
        name: value
        for name, value in answer.headers.items()
        if name != "Content-Length" or "html" not in answer.headers["Content-Type"]
    }
    headers = salted(repr((answer.status, sorted(told.items()))).encode())
    kind, body = answer.headers.get("Content-Type", ""), salted(answer.body)
    if "json" in kind and isinstance(rows := json.loads(body or b"null"), list):
        body = "\n".join(sorted(json.dumps(row, sort_keys=True) for row in rows)).encode()
    if kind.startswith("multipart"):
        body = b"--B".join(sorted(body.split(b"--B")))
    return salted(answer.asked.encode()), _without_moments(headers), _without_moments(body)


def _without_moments(content: bytes) -> bytes:
    content = re.sub(rb'(csrfmiddlewaretoken" value|csrf-token" content)="\w+"', b"CSRF", content)
    content = re.sub(rb"\b[0-9a-f]{16}\b", b"CLAIM", content)
    content = re.sub(rb'data-mask="[0-9a-f-]{36}"', b"MASK", content)
    content = re.sub(rb'data-seconds="\d+"|took [\d.]+ (s|min)|data-ago>[^<]*', b"SECONDS", content)
    content = re.sub(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", b"MOMENT", content)
    return re.sub(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?", b"MOMENT", content)


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is changed in the database inside is as before afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
