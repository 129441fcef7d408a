"""The demonstration's exams: their sources, their files, and their way to the receiver."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import MRImageStorage

from portal.demo import assets, exams, send
from portal.demo.exams import CAST, Recipe
from portal.demo.series import STORED_MAXIMUM, Plane

BASELINE, SIX_MONTHS, TWELVE_MONTHS, BIRCH, CEDAR = CAST


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def series_of(exam: exams.DemonstrationExam, number: int) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(exam.folder.glob(f"{number:02d}-*.dcm"))]


@pytest.fixture(scope="session")
def real_assets(pytestconfig: pytest.Config) -> assets.Assets:
    cache = pytestconfig.cache
    assert cache is not None
    return assets.fetch(cache.mkdir("demonstration-volumes"), quiet)


@pytest.fixture(scope="session")
def cast(real_assets: assets.Assets, tmp_path_factory: pytest.TempPathFactory) -> list[exams.DemonstrationExam]:
    return exams.write_cast(real_assets, tmp_path_factory.mktemp("cast"), quiet)


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A NIfTI file, RAS, 8-bit: a soft-edged ball off the grid's centre, with one brightest voxel in it."""
    from_middle = np.indices((40, 48, 44)) - np.reshape([20.3, 24.1, 21.7], (3, 1, 1, 1))
    ball = (120 * (14 - np.linalg.norm(from_middle, axis=0)).clip(-2, 2) / 4 + 60).astype(np.uint8)
    ball[14, 27, 23] = 255
    affine = np.array([[1, 0, 0, -20], [0, 1, 0, -31], [0, 0, 1, -7], [0, 0, 0, 1]], dtype=float)
    path = tmp_path / "head.nii.gz"
    nibabel.save(nibabel.Nifti1Image(ball, affine), path)
    return path


BRIGHTEST_LPS = (-(14 - 20), -(27 - 31), 23 - 7)


@pytest.mark.parametrize("plane", Plane)
def test_every_voxel_keeps_its_place_in_the_patient(plane: Plane, head: Path, tmp_path: Path) -> None:
    exam = exams.write_exam(replace(BASELINE, plane=plane), head, tmp_path / "out", quiet)
    volume = hd.get_volume_from_series(series_of(exam, 2))
    brightest = np.array([np.unravel_index(volume.array.argmax(), volume.shape)])
    assert tuple(volume.map_indices_to_reference(brightest)[0]) == BRIGHTEST_LPS


@pytest.mark.parametrize(
    ("recipe", "first_row", "first_column"),
    [(BASELINE, (1, 0, 0), (0, 1, 0)), (BIRCH, (0, 1, 0), (0, 0, -1)), (CEDAR, (1, 0, 0), (0, 0, -1))],
)
def test_each_patient_was_scanned_in_another_plane(
    recipe: Recipe, first_row: tuple[int, ...], first_column: tuple[int, ...], head: Path, tmp_path: Path
) -> None:
    exam = exams.write_exam(recipe, head, tmp_path / "out", quiet)
    assert {tuple(ds.ImageOrientationPatient) for ds in series_of(exam, 2)} == {(*first_row, *first_column)}


@pytest.mark.parametrize("recipe", [SIX_MONTHS, TWELVE_MONTHS, CEDAR])
def test_the_anatomy_shrinks_by_the_documented_fraction(recipe: Recipe, head: Path) -> None:
    half = 60 * STORED_MAXIMUM / exams.SOURCE_MAXIMUM
    before = (exams.load(head, scale=(1, 1, 1)).array > half).sum()
    after = (exams.load(head, scale=recipe.scale).array > half).sum()
    assert after / before == pytest.approx(recipe.volume_fraction, abs=0.01)


def test_the_three_dates_of_one_patient_lose_3_and_6_5_percent() -> None:
    dates = [recipe for recipe in CAST if recipe.patient.patient_id == "DEMO-0001"]
    assert [round(recipe.volume_fraction, 6) for recipe in dates] == [1.0, 0.97, 0.935]
    assert [recipe.study_date for recipe in dates] == sorted(recipe.study_date for recipe in dates)


def test_real_brain_tissue_shrinks_by_the_documented_fraction(cast: list[exams.DemonstrationExam]) -> None:
    tissue = [
        sum(np.count_nonzero(ds.pixel_array > 0.4 * STORED_MAXIMUM) for ds in series_of(exam, 2)) for exam in cast[:3]
    ]
    for exam, voxels in zip(cast, tissue, strict=False):
        assert voxels / tissue[0] == pytest.approx(exam.expected_volume_fraction, abs=0.01)


def test_dciodvfy_finds_no_error_in_any_series(cast: list[exams.DemonstrationExam]) -> None:
    for exam in cast:
        for name in ("01-0001", "01-0005", "01-0009", "02-0001", "02-0100"):
            said = subprocess.run(
                ["dciodvfy", exam.folder / f"{name}.dcm"], capture_output=True, text=True, check=False
            )
            assert "Error" not in said.stderr, f"{exam.title} {name}: {said.stderr}"


def test_a_second_run_makes_the_same_exams_byte_for_byte(head: Path, tmp_path: Path) -> None:
    first = exams.write_exam(SIX_MONTHS, head, tmp_path / "first", quiet)
    second = exams.write_exam(SIX_MONTHS, head, tmp_path / "second", quiet)
    names = sorted(path.name for path in first.folder.iterdir())
    assert names == sorted(path.name for path in second.folder.iterdir())
    assert all((first.folder / name).read_bytes() == (second.folder / name).read_bytes() for name in names)
    assert first.study_instance_uid == second.study_instance_uid


def test_an_exam_already_there_is_kept_and_one_cut_short_is_made_again(head: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    exam = exams.write_exam(BASELINE, head, tmp_path, quiet)
    exams.write_exam(BASELINE, head, tmp_path, lambda label, done, total: steps.append(done))
    assert steps == []
    (tmp_path / "DEMO-A1.made").unlink()
    (exam.folder / "02-0003.dcm").unlink()
    exams.write_exam(BASELINE, head, tmp_path, lambda label, done, total: steps.append(done))
    assert steps == list(range(1, 9 + 48 + 1))
    assert (exam.folder / "02-0003.dcm").is_file()


def test_every_image_says_that_it_is_no_patients_and_what_it_was_made_from(cast: list[exams.DemonstrationExam]) -> None:
    for exam in cast:
        first = series_of(exam, 2)[0]
        assert "not a patient's" in first.DerivationDescription
        assert "MNI152" in first.DerivationDescription or "Colin27" in first.DerivationDescription
        assert first.ImageType[0] == "DERIVED"
        assert first.PatientID.startswith("DEMO-")
        assert str(first.PatientName).startswith("Demo^")
    assert "97.00 % of the source's" in series_of(cast[1], 2)[0].DerivationDescription


def test_each_exam_has_a_localizer_and_one_t1_on_one_frame_of_reference(cast: list[exams.DemonstrationExam]) -> None:
    for exam in cast:
        localizer, t1 = series_of(exam, 1), series_of(exam, 2)
        assert len({tuple(ds.ImageOrientationPatient) for ds in localizer}) == 3
        assert {(ds.SeriesDescription, ds.MRAcquisitionType, ds.SliceThickness) for ds in localizer} == {
            ("Localizer", "2D", 5)
        }
        assert {ds.SliceThickness for ds in t1} == {1}
        assert 150 <= len(t1) <= 250
        assert len({ds.FrameOfReferenceUID for ds in localizer + t1}) == 1
        assert {ds.StudyInstanceUID for ds in localizer + t1} == {exam.study_instance_uid}
        assert len({ds.SOPInstanceUID for ds in localizer + t1}) == len(localizer) + len(t1)


def test_a_source_with_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.nii.gz"
    path.write_bytes(b"something else")
    with pytest.raises(assets.AssetError, match=r"nilearn==0\.14\.1 is not the file .* SHA-256"):
        assets.refuse_other_bytes(path, assets.MNI152)


def test_a_damaged_source_in_the_cache_is_fetched_again(real_assets: assets.Assets, tmp_path: Path) -> None:
    (tmp_path / real_assets.mni152.name).write_bytes(b"half a file")
    assert assets.fetch(tmp_path, quiet).mni152.read_bytes() == real_assets.mni152.read_bytes()


def test_without_apt_the_colin27_exam_is_left_out_and_a_line_says_why(
    real_assets: assets.Assets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / real_assets.mni152.name).write_bytes(real_assets.mni152.read_bytes())
    monkeypatch.setenv("PATH", str(tmp_path))
    fetched = assets.fetch(tmp_path, quiet)
    assert fetched.colin27 is None
    assert fetched.notes == (
        "The Colin27 exam is left out: it comes from Debian's package mricron-data, and this machine has no apt-get.",
    )


def test_when_pip_finds_nothing_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(assets.AssetError) as caught:
        assets.fetch(tmp_path, quiet)
    message = str(caught.value)
    assert "nilearn==0.14.1" in message
    assert "Check that pip works here" in message
    assert "\n" not in message


def test_a_cache_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(assets.AssetError, match=r"could not be kept in .*file.* OVERREAD_HOME"):
        assets.fetch(tmp_path / "file", quiet)


@dataclass
class Receiver:
    """A Storage SCP that keeps SOP Instance UIDs, and whose answer to each image a test may choose."""

    answer: Callable[[Event], int] = lambda event: 0x0000
    kept: list[str] = field(default_factory=list)
    associations: int = 0
    latest: Association = None
    port: int = 0

    def on_store(self, event: Event) -> int:
        status = self.answer(event)
        if status == 0x0000:
            self.kept.append(event.request.AffectedSOPInstanceUID)
        return status

    def on_accepted(self, event: Event) -> None:
        self.associations += 1
        self.latest = event.assoc


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    keeper = Receiver()
    entity = AE(ae_title="BRAIN")
    entity.require_called_aet = True
    entity.add_supported_context(MRImageStorage)
    handlers = [(evt.EVT_C_STORE, keeper.on_store), (evt.EVT_ACCEPTED, keeper.on_accepted)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    keeper.port = server.server_address[1]
    yield keeper
    server.shutdown()


@pytest.fixture
def folder(head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(send, "SECONDS_BETWEEN_ATTEMPTS", 0.0)
    return exams.write_exam(BASELINE, head, tmp_path / "exams", quiet).folder


def sent_to(
    receiver: Receiver,
    folder: Path,
    *,
    called_ae: str = "BRAIN",
    on_instance: send.OnInstance = lambda sent, total: None,
) -> list[tuple[int, int]]:
    steps: list[tuple[int, int]] = []

    def count(sent: int, total: int) -> None:
        steps.append((sent, total))
        on_instance(sent, total)

    send.send_exam(
        folder,
        host="127.0.0.1",
        port=receiver.port,
        called_ae=called_ae,
        calling_ae="SCANNER",
        on_instance=count,
    )
    return steps


def test_an_exam_goes_through_on_one_association(receiver: Receiver, folder: Path) -> None:
    steps = sent_to(receiver, folder)
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in sorted(folder.glob("*.dcm"))]
    assert receiver.kept == uids
    assert steps == [(number, len(uids)) for number in range(1, len(uids) + 1)]
    assert receiver.associations == 1


def test_a_lost_association_goes_on_with_the_image_it_lost(receiver: Receiver, folder: Path) -> None:
    asked: list[str] = []

    def abort_at_the_fifth(event: Event) -> int:
        asked.append(event.request.AffectedSOPInstanceUID)
        if len(asked) == 5:
            event.assoc.abort()
            return 0xA700
        return 0x0000

    receiver.answer = abort_at_the_fifth
    sent_to(receiver, folder)
    assert receiver.associations == 2
    assert asked[4] == asked[5]
    assert len(receiver.kept) == len(set(receiver.kept)) == len(list(folder.glob("*.dcm")))


def test_a_refused_image_stops_the_exam_and_says_how_many_went_through(receiver: Receiver, folder: Path) -> None:
    receiver.answer = lambda event: 0x0000 if len(receiver.kept) < 12 else 0xA700
    with pytest.raises(
        send.SendError, match=r"^12 of 57 images .* 02-0004\.dcm was refused with status 0xA700"
    ) as caught:
        sent_to(receiver, folder)
    assert (caught.value.sent, caught.value.total) == (12, 57)
    assert receiver.associations == 1


def test_an_unknown_ae_title_is_said_to_be_rejected(receiver: Receiver, folder: Path) -> None:
    with pytest.raises(send.SendError, match=r"to NOBODY at .*: the association was rejected"):
        sent_to(receiver, folder, called_ae="NOBODY")


def test_with_nobody_listening_the_error_says_what_to_check(receiver: Receiver, folder: Path) -> None:
    receiver.port = 1
    with pytest.raises(send.SendError, match=r"^0 of 57 .*no association could be made.*`manage\.py receive`"):
        sent_to(receiver, folder)


def test_an_image_of_a_kind_the_receiver_does_not_take_is_named(receiver: Receiver, folder: Path) -> None:
    path = folder / "02-0001.dcm"
    image = pydicom.dcmread(path)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    image.save_as(path)
    with pytest.raises(send.SendError, match=r"^9 of 57 .* 02-0001\.dcm is of a kind that the receiver does not take"):
        sent_to(receiver, folder)


def test_an_association_that_ends_between_two_images_is_made_again(receiver: Receiver, folder: Path) -> None:
    def end_it_after_the_third(sent: int, total: int) -> None:
        if sent == 3:
            receiver.latest.abort()
            time.sleep(0.3)

    sent_to(receiver, folder, on_instance=end_it_after_the_third)
    assert receiver.associations == 2
    assert len(receiver.kept) == len(set(receiver.kept)) == 57


def test_a_folder_without_exams_is_an_error(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(send.SendError, match="holds no file named"):
        sent_to(receiver, tmp_path)
