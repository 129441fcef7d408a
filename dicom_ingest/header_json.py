"""An instance's header as DICOM JSON (PS3.18, annex F), made once when the instance is filed."""

import json
import math
from base64 import b64encode
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

_PIXEL_GROUP = 0x7FE0
_AVAILABLE_TRANSFER_SYNTAX_UID = "00083002"
# Larger bulk values (private caches, embedded documents) stay in the file; the header says where to get them.
_LONGEST_STANDARD_BULK = 256 * 1024
_LONGEST_PRIVATE_BULK = 4 * 1024
_BULK_VR = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}

JSONObject = dict[str, Any]


def encoded_header(dataset: Dataset, *, transfer_syntax_uid: str) -> bytes:
    """The DICOM JSON object as UTF-8: no pixel data, DS and IS as numbers, the transfer syntax as available one.

    Bulk values that are too large to stand in it have a BulkDataURI, from the root of the server (PS3.18 F.2.6), since
    one file serves under every name that the server is reached by.
    An element whose value breaks its own value representation is left out; the file keeps it.
    """
    exam, series, instance = dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID
    header = _object(dataset, at=f"/dicomweb/studies/{exam}/series/{series}/instances/{instance}/bulkdata/")
    header[_AVAILABLE_TRANSFER_SYNTAX_UID] = {"vr": "UI", "Value": [transfer_syntax_uid]}
    return json.dumps(dict(sorted(header.items())), separators=(",", ":"), allow_nan=False).encode()


def _object(dataset: Dataset, *, at: str) -> JSONObject:
    """The attributes of a dataset, whose bulk data lie below `at`."""
    members = ((tag, _member(dataset, tag, at=at)) for tag in dataset.keys() if _belongs(tag))  # noqa: SIM118 - Dataset iterates over values
    return {f"{tag:08X}": member for tag, member in members if member is not None}


def _belongs(tag: BaseTag) -> bool:
    return tag.group != _PIXEL_GROUP and tag.element != 0


def _member(dataset: Dataset, tag: BaseTag, *, at: str) -> JSONObject | None:
    """One attribute, or None when it does not belong in the header or cannot be read as what it claims to be."""
    here = f"{at}{tag:08X}"
    try:
        element = dataset[tag]
        if element.VR == "SQ":
            items = enumerate(element.value, start=1)
            return {"vr": "SQ", "Value": [_object(item, at=f"{here}.{number}.") for number, item in items]}
        if element.VR in _BULK_VR or isinstance(element.value, bytes):
            return _bulk(element, here)
        member: JSONObject = element.to_json_dict(bulk_data_element_handler=None, bulk_data_threshold=0)
    except Exception:  # noqa: BLE001 - pydicom raises whatever a bad value provokes, and a header must not fail for one
        return None
    if "Value" in member:
        member["Value"] = [_finite(value) for value in member["Value"]]
    return member


def _bulk(element: DataElement, uri: str) -> JSONObject:
    value = element.value or b""
    longest = _LONGEST_PRIVATE_BULK if element.tag.is_private else _LONGEST_STANDARD_BULK
    if len(value) > longest:
        return {"vr": str(element.VR), "BulkDataURI": uri}
    return {"vr": str(element.VR)} | ({"InlineBinary": b64encode(value).decode()} if value else {})


def _finite(value: object) -> object:
    """JSON has no infinity and no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
