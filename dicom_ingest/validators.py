"""What may stand in a field."""

from ipaddress import ip_network

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from dicom_ingest.storage_classes import STORAGE_CLASSES

ae_title = RegexValidator(
    r"^[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?$",
    "An AE title has 1 to 16 printable ASCII characters, no backslash, no space at either end.",
)


def storage_class(value: str) -> None:
    """Raises ValidationError when `value` is not the UID of a storage class of the standard."""
    if value not in STORAGE_CLASSES:
        raise ValidationError(f"{value!r} is not the UID of a storage class, such as 1.2.840.10008.5.1.4.1.1.2 of CT.")


def network(value: str) -> None:
    """Raises ValidationError when `value` is neither an IP address nor a network of them."""
    try:
        ip_network(value, strict=False)
    except ValueError as error:
        raise ValidationError(f"{value!r} is no address and no network such as 10.1.2.0/24.") from error
