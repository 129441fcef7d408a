"""Many waiting files at a time: what is plain goes together, everything else alone, and a kill loses nothing."""

from pathlib import Path

import pytest

from dicom_ingest import spool, store
from dicom_ingest.batches import file_new
from dicom_ingest.indexer import index_waiting
from dicom_ingest.models import Instance, QuarantinedInstance, Route, Series
from tests.dicom_ingest.scanner import mr_series
from tests.dicom_ingest.waiting import filed, image, path_of, spooled

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


@pytest.mark.parametrize(
    "moment",
    [
        "dicom_ingest.filing.create_all",
        "dicom_ingest.store.write_all_durably",
        "dicom_ingest.store.sync_folder",
        "dicom_ingest.filing.touch_route_anew",
        "pathlib.Path.unlink",
    ],
)
def test_a_kill_at_any_moment_of_a_batch_loses_nothing_and_counts_nothing_twice(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [spooled(one) for one in mr_series(slices=3)]

    def die(*_arguments: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(moment, die)
        with pytest.raises(Killed):
            index_waiting()
    assert set(spool.waiting()) == set(paths)
    index_waiting()
    assert list(Instance.objects.values_list("repeats", flat=True)) == [0, 0, 0]
    assert Route.objects.get().received_instances == 3
    assert spool.waiting() == []
    assert all(path_of(one).is_file() and path_of(one).with_suffix(".json").is_file() for one in Instance.objects.all())


def test_a_batch_holds_several_series_titles_and_exams() -> None:
    first, second, third = mr_series(slices=2), mr_series(slices=3), mr_series(slices=1)
    for one in [*first, *second]:
        spooled(one)
    spooled(third[0], called_ae="LIVER")
    assert len(file_new(spool.waiting())) == 6
    assert sorted(Route.objects.values_list("called_ae", "received_instances")) == [
        ("BRAIN", 2),
        ("BRAIN", 3),
        ("LIVER", 1),
    ]
    assert Series.objects.count() == 3


def test_what_is_not_plain_is_filed_alone_and_holds_up_nobody() -> None:
    known, repeated, *others = mr_series(slices=5)
    filed(known)
    for one in (known, repeated, repeated, *others):
        spooled(one)
    spooled(b"not DICOM at all")
    other_content = image(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
    spooled(other_content)
    other_content.SeriesDescription = "Another"
    spooled(other_content)
    outcomes = index_waiting()
    assert len(outcomes) == 9
    assert sum(one.is_repeat for one in outcomes) == 2
    assert Instance.objects.count() == 6
    assert sorted(QuarantinedInstance.objects.values_list("reason", flat=True)) == ["conflict", "not-dicom"]
    assert spool.waiting() == []


def test_a_uid_of_another_series_sends_a_batch_back_to_be_filed_one_by_one() -> None:
    first, second = mr_series(slices=2)
    filed(image(SOPInstanceUID=first.SOPInstanceUID))
    for one in (first, second):
        spooled(one)
    assert [one.instance is not None for one in index_waiting()].count(True) == 1
    assert QuarantinedInstance.objects.get().reason == "conflict"


def test_a_file_that_another_process_holds_is_left_to_it() -> None:
    first, second = (spooled(one) for one in mr_series(slices=2))
    with spool.claimed(first):
        assert list(file_new([first, second, Path("gone.dcm")])) == [second]
    assert spool.waiting() == [first]


def test_a_batch_renews_what_the_series_told_before() -> None:
    images = mr_series(slices=3)
    filed(images[0])
    metadata = store.metadata_path(images[0].StudyInstanceUID, images[0].SeriesInstanceUID)
    metadata.write_bytes(b"as of the first")
    before = Series.objects.get().changed_at
    for one in images[1:]:
        spooled(one)
    index_waiting()
    assert not metadata.exists()
    assert Series.objects.get().changed_at > before
