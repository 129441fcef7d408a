"""Another transfer syntax than the stored one: the same pixels, under the name that was asked for."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_ingest.dicomweb import codecs
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import STUDY, T1, complete, encoded, mr_slice, receive
from tests.dicom_ingest.test_wado import body, parts

FIRST = f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1"
NATIVE = 'multipart/related; type="application/octet-stream"'
WHOLE = 'multipart/related; type="application/dicom"'
PIXELS = np.random.default_rng(0).integers(0, 4096, size=(2, 64, 80), dtype="<u2")


def two_frames() -> Dataset:
    return mr_slice(1, Rows=64, Columns=80, NumberOfFrames=2, PixelData=PIXELS.tobytes())


@pytest.fixture
def file(
    study: Any, cast: Cast, with_token: Callable[[User], Client]
) -> Callable[[Dataset | bytes], tuple[str, Client]]:
    """Files an instance; gives its URL and a client that may read it."""

    def filed(content: Dataset | bytes) -> tuple[str, Client]:
        (instance,) = receive(content)
        exam = complete(instance.series.exam)
        series = instance.series.series_instance_uid
        url = f"/dicomweb/studies/{exam.study_instance_uid}/series/{series}/instances/{instance.sop_instance_uid}"
        return url, with_token(cast.reader)

    return filed


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_jp2klossless.dcm",
        "JPEG2000.dcm",
        "MR_small_RLE.dcm",
        "SC_rgb_rle_2frame.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_stored_frames_are_decoded_for_who_wants_native_pixels(file: Any, name: str) -> None:
    original = dcmread(sample(name))
    url, client = file(sample(name).read_bytes())
    response = client.get(f"{url}/frames/1", headers={"Accept": NATIVE})
    ((head, content),) = parts(response)
    assert head == "Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    first = original.pixel_array if int(original.get("NumberOfFrames") or 1) == 1 else original.pixel_array[0]
    assert content == first.astype(first.dtype.newbyteorder("<")).tobytes()


def test_jpeg_lossless_as_scanners_send_it_is_decoded(file: Any, tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    reader, writer, change = gdcm.ImageReader(), gdcm.ImageWriter(), gdcm.ImageChangeTransferSyntax()
    reader.SetFileName(str(sample("MR_small.dcm")))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "lossless.dcm"))
    assert writer.Write()
    url, client = file((tmp_path / "lossless.dcm").read_bytes())
    ((_, content),) = parts(client.get(f"{url}/frames/1", headers={"Accept": NATIVE}))
    assert content == dcmread(sample("MR_small.dcm")).PixelData


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_native_frames_are_compressed_without_loss(file: Any, syntax: UID) -> None:
    url, client = file(two_frames())
    accept = f'multipart/related; type="application/octet-stream"; transfer-syntax={syntax}'
    sent = parts_of_unknown_length(client.get(f"{url}/frames/2,1", headers={"Accept": accept}))
    for content, original in zip(sent, PIXELS[::-1], strict=True):
        np.testing.assert_array_equal(decoded(content, syntax), original)


def test_an_image_type_names_its_transfer_syntax(file: Any) -> None:
    url, client = file(two_frames())
    response = client.get(f"{url}/frames/1", headers={"Accept": "image/jls"})
    assert response["Content-Type"] == f"image/jls; transfer-syntax={JPEGLSLossless}"
    np.testing.assert_array_equal(decoded(response.content, JPEGLSLossless), PIXELS[0])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_whole_instances_are_converted_and_nothing_else_of_them_changes(file: Any, syntax: UID) -> None:
    image = two_frames()
    image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    url, client = file(encoded(image))
    response = client.get(url, headers={"Accept": f"application/dicom; transfer-syntax={syntax}"})
    assert response["Content-Type"] == f"application/dicom; transfer-syntax={syntax}"
    converted = dcmread(BytesIO(body(response)))
    assert converted.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(converted.pixel_array, PIXELS)
    original = dcmread(BytesIO(encoded(image)))
    del converted.PixelData, original.PixelData
    assert converted == original


def test_instances_are_explicit_little_endian_unless_anything_will_do(file: Any) -> None:
    url, client = file(sample("MR_small_jp2klossless.dcm").read_bytes())
    stored = sample("MR_small_jp2klossless.dcm")
    ((head, content),) = parts(client.get(url, headers={"Accept": WHOLE}))
    assert head.endswith(f"transfer-syntax={ExplicitVRLittleEndian}")
    np.testing.assert_array_equal(dcmread(BytesIO(content)).pixel_array, dcmread(stored).pixel_array)
    for accept in (f"{WHOLE}; transfer-syntax=*", "*/*"):
        ((head, content),) = parts(client.get(url, headers={"Accept": accept}))
        assert head.endswith("transfer-syntax=1.2.840.10008.1.2.4.90")
        assert dcmread(BytesIO(content)).PixelData == dcmread(stored).PixelData


def test_a_series_of_several_syntaxes_comes_in_one(file: Any) -> None:
    implicit = mr_slice(2)
    implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    receive(encoded(implicit))
    url, client = file(mr_slice(1))
    sent = parts_of_unknown_length(client.get(url.rpartition("/instances")[0], headers={"Accept": WHOLE}))
    syntaxes = [dcmread(BytesIO(content)).file_meta.TransferSyntaxUID for content in sent]
    assert syntaxes == [ExplicitVRLittleEndian] * 2


def test_a_single_image_in_several_fragments_is_sent_joined(file: Any) -> None:
    original = dcmread(sample("MR_small_jp2klossless.dcm"))
    (frame,) = generate_frames(original.PixelData, number_of_frames=1)
    original.PixelData = encapsulate([frame], fragments_per_frame=3)
    url, client = file(encoded(original))
    accept = 'multipart/related; type="image/jp2"'
    ((_, content),) = parts(client.get(f"{url}/frames/1", headers={"Accept": accept}))
    assert content.rstrip(b"\0") == frame.rstrip(b"\0")


def test_what_no_codec_makes_sense_of_is_refused_with_a_way_out(file: Any) -> None:
    original = dcmread(sample("MR_small_jp2klossless.dcm"))
    original.PixelData = encapsulate([b"no JPEG 2000 at all."])
    url, client = file(encoded(original))
    extended, _ = file(sample("JPGExtended.dcm").read_bytes())  # of 12 bits, which no codec here knows
    assert client.get(f"{extended}/frames/1", headers={"Accept": NATIVE}).status_code == 406
    for path, accept in {f"{url}/frames/1": NATIVE, url: WHOLE, f"{url}/rendered": "image/png"}.items():
        response = client.get(path, headers={"Accept": accept})
        assert response.status_code == 406
        assert "transfer-syntax=*" in response.json()["detail"]


def test_an_instance_too_large_to_convert_is_refused(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, client = file(two_frames())
    monkeypatch.setattr(codecs, "LARGEST_DECODED", 64 * 80 * 6)
    one = f'multipart/related; type="application/octet-stream"; transfer-syntax={RLELossless}'
    assert client.get(f"{url}/frames/1", headers={"Accept": one}).status_code == 200
    whole = client.get(url, headers={"Accept": f"application/dicom; transfer-syntax={RLELossless}"})
    assert whole.status_code == 406


def parts_of_unknown_length(response: Any) -> list[bytes]:
    response["Content-Length"] = len(content := body(response))
    assert response["Content-Type"].startswith("multipart/related")
    boundary = response["Content-Type"].partition("boundary=")[2].encode()
    pieces = (b"\r\n" + content).split(b"\r\n--" + boundary)[1:-1]
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces]


def decoded(frame: bytes, syntax: UID) -> Any:
    options: dict[str, Any] = {
        "rows": 64,
        "columns": 80,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 12,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
    }
    return get_decoder(syntax).as_array(encapsulate([frame]), **options)[0]
