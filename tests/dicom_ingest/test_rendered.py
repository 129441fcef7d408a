"""Rendered resources and thumbnails: what people see is what the values, the window and the viewport say."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_ingest.dicomweb import codecs
from dicom_ingest.models import Exam
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import COLUMNS, FLAIR, ROOT, ROWS, STUDY, T1, complete, mr_slice, receive
from tests.dicom_ingest.test_wado import parts

FIRST = f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1"
PNG = {"Accept": "image/png"}
RAMP = np.arange(ROWS * COLUMNS, dtype="<u2").reshape(ROWS, COLUMNS)  # 0 to 191


@pytest.fixture
def show(study: Any, cast: Cast, with_token: Callable[[User], Client]) -> Callable[..., np.ndarray[Any, Any]]:
    """Files an image, asks for its picture, and gives the grey values or colours of that."""

    def picture(image: Dataset | bytes, query: str = "", *, path: str = "rendered") -> np.ndarray[Any, Any]:
        (instance,) = receive(image)
        exam = complete(instance.series.exam)
        series = instance.series.series_instance_uid
        url = f"/dicomweb/studies/{exam.study_instance_uid}/series/{series}/instances/{instance.sop_instance_uid}"
        response = with_token(cast.reader).get(f"{url}/{path}{query}", headers=PNG)
        assert response.status_code == 200, response.content
        return pixels(response)

    return picture


def pixels(response: Any) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(BytesIO(response.content)))


def ramp(**attributes: Any) -> Dataset:
    return mr_slice(1, PixelData=RAMP.tobytes(), **attributes)


def linear(values: np.ndarray[Any, Any], center: float, width: float) -> np.ndarray[Any, Any]:
    """PS3.3 C.11.2.1.2.1, onto 0 to 255."""
    return np.clip(np.rint(((values - (center - 0.5)) / (width - 1) + 0.5) * 255), 0, 255)


def test_without_a_window_the_darkest_is_black_and_the_brightest_white(show: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(show(ramp()), np.rint(RAMP * 255.0 / 191))


def test_the_images_own_window_applies_to_values_of_the_modality(show: Callable[..., Any]) -> None:
    image = ramp(RescaleSlope=2, RescaleIntercept=-100, WindowCenter=[50, 99], WindowWidth=[100, 1])
    np.testing.assert_allclose(show(image), linear(RAMP * 2.0 - 100, 50, 100), atol=1)


def test_the_windows_of_a_request_replace_it(show: Callable[..., Any]) -> None:
    image = ramp(WindowCenter=50, WindowWidth=100)
    np.testing.assert_allclose(show(image, "?window=100,20,linear"), linear(RAMP.astype(float), 100, 20), atol=1)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("linear-exact", np.clip(((RAMP - 100.0) / 20 + 0.5) * 255, 0, 255)),
        ("sigmoid", 255 / (1 + np.exp(-4 * (RAMP - 100.0) / 20))),
    ],
)
def test_every_window_function_of_the_standard_is_there(show: Callable[..., Any], function: str, expected: Any) -> None:
    np.testing.assert_allclose(show(ramp(), f"?window=100,20,{function}"), expected, atol=1)


def test_monochrome1_shows_its_lowest_values_white(show: Callable[..., Any]) -> None:
    image = ramp(PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(show(image), 255 - np.rint(RAMP * 255.0 / 191))


def test_a_window_that_is_no_window_is_passed_over(show: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(show(ramp(WindowCenter=1, WindowWidth=0)), np.rint(RAMP * 255.0 / 191))


def test_functional_groups_window_their_frame(show: Callable[..., Any]) -> None:
    def group(center: int) -> Dataset:
        window, item = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, 20
        item.FrameVOILUTSequence = Sequence([window])
        return item

    image = ramp(NumberOfFrames=2, PerFrameFunctionalGroupsSequence=Sequence([group(50), group(100)]))
    image.PixelData = RAMP.tobytes() * 2
    second = show(image, path="frames/2/rendered")
    np.testing.assert_allclose(second, linear(RAMP.astype(float), 100, 20), atol=1)


@pytest.mark.parametrize(
    ("viewport", "size"),
    [
        ("32,32", (32, 24)),
        ("8,100", (8, 6)),
        ("4,4,0,0,8,8", (4, 4)),
        ("4,4,,,,", (4, 3)),
        ("16,12,0,0,-16,-12", (16, 12)),
    ],
)
def test_a_viewport_is_filled_with_the_proportions_kept(
    show: Callable[..., Any], viewport: str, size: tuple[int, int]
) -> None:
    picture = show(ramp(), f"?viewport={viewport}")
    assert picture.shape == size[::-1]
    if "-" in viewport:
        np.testing.assert_array_equal(picture, np.rint(RAMP * 255.0 / 191)[::-1, ::-1])


def test_colours_and_palettes_come_as_rgb(show: Callable[..., Any]) -> None:
    for name in ("examples_rgb_color.dcm", "examples_ybr_color.dcm", "examples_palette.dcm", "SC_rgb_rle_2frame.dcm"):
        path = get_testdata_file(name, download=False)
        if path is None:
            continue
        original = dcmread(str(path))
        picture = show(Path(str(path)).read_bytes())
        assert picture.shape == (original.Rows, original.Columns, 3), name
        assert picture.std() > 5


@pytest.fixture
def reader(scanned: Exam, cast: Cast, with_token: Callable[[User], Client]) -> Client:
    return with_token(cast.reader)


def test_the_default_is_jpeg_and_the_quality_counts(reader: Client) -> None:
    for accept, kind in {"*/*": "JPEG", "image/*;q=0.5, image/png": "PNG", "image/jpeg;q=0, image/*": "PNG"}.items():
        response = reader.get(f"{FIRST}/rendered", headers={"Accept": accept})
        assert Image.open(BytesIO(response.content)).format == kind
        assert response["Content-Type"] == f"image/{kind.lower()}"
    small, large = (len(reader.get(f"{FIRST}/rendered?quality={quality}").content) for quality in (5, 100))
    assert small < large
    assert reader.get(f"{FIRST}/rendered", headers={"Accept": "video/mpeg"}).status_code == 406


@pytest.mark.parametrize(
    "query",
    [
        *("window=40", "window=a,b,linear", "window=40,0,linear", "window=1,2,cubic", "quality=0", "quality=x"),
        *("viewport=0,5", "viewport=9000,9000", "viewport=a", "viewport=4,4,100,100,8,8", "viewport=4,4,0,0,99,99"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_in_words(reader: Client, query: str) -> None:
    response = reader.get(f"{FIRST}/rendered?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.json()["detail"]


def test_several_frames_come_as_multipart(study: Any, cast: Cast, with_token: Callable[[User], Client]) -> None:
    (instance,) = receive(mr_slice(1, NumberOfFrames=2, PixelData=RAMP.tobytes() * 2))
    complete(instance.series.exam)
    client = with_token(cast.reader)
    response = client.get(f"{FIRST}/frames/1,2/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
    assert [Image.open(BytesIO(content)).size for _, content in parts(response)] == [(COLUMNS, ROWS)] * 2
    assert client.get(f"{FIRST}/frames/1,2/rendered", headers=PNG).status_code == 406
    assert client.get(f"{FIRST}/frames/3/rendered", headers=PNG).status_code == 404


def test_a_study_and_a_series_show_the_image_that_stands_for_them(reader: Client) -> None:
    middle = reader.get(f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.2/rendered", headers=PNG)
    for path in (f"/dicomweb/studies/{STUDY}", f"/dicomweb/studies/{STUDY}/series/{T1}"):
        assert reader.get(f"{path}/rendered", headers=PNG).content == middle.content
    thumbnail = reader.get(f"/dicomweb/studies/{STUDY}/series/{FLAIR}/thumbnail", headers=PNG)
    assert Image.open(BytesIO(thumbnail.content)).size == (128, 96)


def test_a_series_without_images_says_so(study: Any, cast: Cast, with_token: Callable[[User], Client]) -> None:
    report = mr_slice(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    for keyword in ("PixelData", "Rows", "Columns"):
        del report[keyword]
    (instance,) = receive(report)
    complete(instance.series.exam)
    client = with_token(cast.reader)
    for path in (FIRST, FIRST.rpartition("/instances")[0], f"/dicomweb/studies/{STUDY}"):
        response = client.get(f"{path}/thumbnail")
        assert response.status_code == 404
        assert "rendered" in response.json()["detail"]


def test_a_browser_that_has_the_picture_is_told_so_without_decoding(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reader.get(f"{FIRST}/rendered")
    monkeypatch.setattr(codecs, "decoded", None)  # whoever decodes now fails
    assert reader.get(f"{FIRST}/rendered", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert reader.get(f"{FIRST}/rendered").content == first.content  # small ones are kept


def test_an_image_too_large_to_decode_is_refused(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "LARGEST_DECODED", 100)
    response = reader.get(f"{FIRST}/rendered")
    assert response.status_code == 406
    assert "transfer-syntax=*" in response.json()["detail"]


def test_a_picture_of_a_hidden_exam_is_not_there(
    scanned: Exam, cast: Cast, with_token: Callable[[User], Client]
) -> None:
    client = with_token(cast.outsider)
    hidden = client.get(f"/dicomweb/studies/{STUDY}/thumbnail")
    absent = client.get(f"/dicomweb/studies/{ROOT}.404/thumbnail")
    assert (hidden.status_code, hidden.content) == (404, absent.content)
