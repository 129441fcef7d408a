"""Media types: what an Accept or Content-Type header says, and which of our representations suits it.

RFC 9110 5.6 and 12.5.1, PS3.18 8.7. Parameters may be quoted or not: viewers send `type=application/dicom`, whose slash
RFC 9110 wants quoted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.http import HttpRequest

from dicom_ingest.dicomweb import codecs
from dicom_ingest.dicomweb.refusals import NotAcceptable

OCTETS = "application/octet-stream"
DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
MULTIPART = "multipart/related"

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

# PS3.18 Table 8.7.3-5; the second name of a type is what clients older than the table send.
_COMPRESSED: dict[str, tuple[str, ...]] = {
    "1.2.840.10008.1.2.4.50": ("image/jpeg",),
    "1.2.840.10008.1.2.4.51": ("image/jpeg",),
    "1.2.840.10008.1.2.4.57": ("image/jpeg",),
    "1.2.840.10008.1.2.4.70": ("image/jpeg",),
    "1.2.840.10008.1.2.5": ("image/dicom-rle", "image/x-dicom-rle"),
    "1.2.840.10008.1.2.4.80": ("image/jls", "image/x-jls"),
    "1.2.840.10008.1.2.4.81": ("image/jls", "image/x-jls"),
    "1.2.840.10008.1.2.4.90": ("image/jp2",),
    "1.2.840.10008.1.2.4.91": ("image/jp2",),
    "1.2.840.10008.1.2.4.92": ("image/jpx",),
    "1.2.840.10008.1.2.4.93": ("image/jpx",),
    "1.2.840.10008.1.2.4.201": ("image/jphc",),
    "1.2.840.10008.1.2.4.202": ("image/jphc",),
    "1.2.840.10008.1.2.4.203": ("image/jphc",),
}


@dataclass(frozen=True)
class MediaRange:
    """One media type of a header: lower-case `name` such as `image/*`, and its parameters by lower-case name."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    unwanted: frozenset[str] = frozenset()  # what the same header rules out by `q=0`, though this name may cover it

    @property
    def quality(self) -> float:
        """How much it is wanted, 0 to 1; 1 where the header does not say so legibly."""
        try:
            return min(1.0, max(0.0, float(self.parameters.get("q", "1"))))
        except ValueError:
            return 1.0

    @property
    def is_multipart(self) -> bool:
        return self.name in (MULTIPART, "multipart/*")

    @property
    def wraps(self) -> bool:
        """Whether a multipart response suits."""
        return self.is_multipart or self.name == "*/*"

    @property
    def inner(self) -> str:
        """The type that is wanted in the end: of the parts, where it is a multipart."""
        return self.parameters.get("type", "*/*").lower() if self.is_multipart else self.name

    @property
    def transfer_syntax(self) -> str | None:
        return self.parameters.get("transfer-syntax")

    def covers(self, media_type: str) -> bool:
        """Whether `media_type` is what is wanted in the end."""
        if media_type in self.unwanted:
            return False
        return self.inner in (media_type, "*/*", f"{media_type.partition('/')[0]}/*")


@dataclass(frozen=True)
class Representation:
    """What a response will hold: the media type of its (or each part's) data, and how that is wrapped.

    converted: whether it has to be made of what is stored, rather than sent as it lies there.
    """

    media_type: str
    transfer_syntax: str
    multipart: bool
    converted: bool = False

    @property
    def content_type(self) -> str:
        """The header of the part, or of the whole response where it is a single part."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def image_types() -> Mapping[str, Sequence[str]]:
    """The media types in which frames of a compressed transfer syntax can be had, by its UID."""
    return _COMPRESSED


def parse_media_type(text: str) -> MediaRange | None:
    """One media type with its parameters, or None where `text` does not begin with `something/something`."""
    name, *parameters = _split(text, ";")
    name = name.strip().lower()
    left, slash, right = name.partition("/")
    if not (slash and left and right):
        return None
    pairs = (parameter.partition("=") for parameter in parameters)
    return MediaRange(name, {key.strip().lower(): _unquoted(value) for key, _, value in pairs if key.strip()})


def parse_accept(header: str) -> list[MediaRange]:
    """The media types of an Accept header, most wanted first; empty means that anything will do."""
    ranges = [parsed for element in _split(header, ",") if (parsed := parse_media_type(element))]
    wanted = [accepted for accepted in ranges if accepted.quality > 0]
    refused = (accepted for accepted in ranges if accepted.quality <= 0 and not accepted.transfer_syntax)
    unwanted = frozenset(accepted.inner for accepted in refused)
    return sorted((replace(each, unwanted=unwanted) for each in wanted), key=lambda accepted: -accepted.quality)


def accepted_by(request: HttpRequest) -> list[MediaRange]:
    """What `request` accepts: its `accept` parameter (PS3.18 8.3.3.1), else its header.

    Raises NotAcceptable when the header is there but names nothing legible.
    """
    header = request.GET.get("accept") or request.headers.get("Accept", "")
    ranges = parse_accept(header)
    if header.strip() and not ranges:
        raise NotAcceptable("The Accept header names no media type. Leave it out to accept what there is.")
    return ranges or [MediaRange("*/*")]


def json_type(request: HttpRequest) -> str:
    """The media type in which to send DICOM JSON. Raises NotAcceptable."""
    for accepted in accepted_by(request):
        for offered in (DICOM_JSON, "application/json"):
            if not accepted.is_multipart and accepted.covers(offered):
                return offered
    raise NotAcceptable(f"This is to be had as {DICOM_JSON} only.")


def choose_image(accepted: Iterable[MediaRange], *, offered: Sequence[str], count: int) -> Representation:
    """How to send `count` rendered images: the most wanted of `offered`, whose first is the default.

    Raises NotAcceptable.
    """
    for wanted in accepted:
        if count > 1 and not wanted.wraps:
            continue
        for media_type in offered:
            if wanted.covers(media_type):
                return Representation(media_type, "", multipart=count > 1 or wanted.is_multipart, converted=True)
    several = "" if count == 1 else " in multipart/related"
    raise NotAcceptable(f"Rendered images are to be had as {' or '.join(offered)}{several}.")


def choose_frames(
    accepted: Iterable[MediaRange], *, stored: str, count: int, has_ranges: bool = True
) -> Representation:
    """How to send `count` frames kept in transfer syntax `stored`: as they are, where the client takes that.

    Without a transfer syntax, octet-stream means native pixels (PS3.18 8.7.3). Frames that are no ranges of their
    file (`has_ranges` is false) are converted in any case. Raises NotAcceptable.
    """
    kept = _kept_offers(stored) if has_ranges else []
    made = [offer for offer in _made_offers(stored) if offer not in kept]
    for wanted in accepted:
        if not wanted.wraps and count > 1:
            continue
        for media_type, syntax in [*kept, *made]:
            if _suits(wanted, media_type, syntax):
                return Representation(media_type, syntax, wanted.wraps, (media_type, syntax) in made)
    listed = " or ".join(f"{media_type}; transfer-syntax={syntax}" for media_type, syntax in [*kept, *made])
    several = "" if count == 1 else " Several frames need multipart/related."
    raise NotAcceptable(f"These frames are to be had as {listed or 'no more than their whole instance'}.{several}")


def choose_instances(accepted: Iterable[MediaRange], *, stored: Iterable[str], count: int) -> Representation:
    """How to send `count` whole instances, kept in transfer syntaxes `stored`; "" as syntax is as received.

    `transfer-syntax=*`, or no word on DICOM at all, gets them as received; DICOM without a syntax is Explicit VR
    Little Endian (PS3.18 8.7.3.5). Raises NotAcceptable.
    """
    kept = set(stored)
    convertible = [EXPLICIT_LITTLE_ENDIAN, *codecs.ENCODED] if all(map(codecs.is_decodable, kept)) else []
    for wanted in accepted:
        if not wanted.covers(DICOM) or not (wanted.wraps or count == 1):
            continue
        asked = wanted.transfer_syntax or (EXPLICIT_LITTLE_ENDIAN if wanted.inner == DICOM else "*")
        if asked == "*" or kept == {asked}:
            return Representation(DICOM, "", wanted.wraps)
        if asked in convertible:
            return Representation(DICOM, asked, wanted.wraps, converted=True)
    raise NotAcceptable(
        f"Instances are to be had in transfer syntax {', '.join(sorted(kept | set(convertible)))}, or as received: "
        f'accept multipart/related; type="{DICOM}"; transfer-syntax=*.'
    )


def _kept_offers(stored: str) -> list[tuple[str, str]]:
    """Media type and transfer syntax of the forms in which frames kept as `stored` go out unchanged, best first."""
    if stored == IMPLICIT_LITTLE_ENDIAN:
        return [(OCTETS, EXPLICIT_LITTLE_ENDIAN)]  # the same octets; PS3.18 8.7.3 bans the implicit name
    return _forms(stored)


def _made_offers(stored: str) -> list[tuple[str, str]]:
    """The forms into which frames kept as `stored` can be converted."""
    if not codecs.is_decodable(stored):
        return []
    return [form for syntax in (EXPLICIT_LITTLE_ENDIAN, *codecs.ENCODED) for form in _forms(syntax)]


def _forms(syntax: str) -> list[tuple[str, str]]:
    return [*((image, syntax) for image in _COMPRESSED.get(syntax, ())), (OCTETS, syntax)]


def _suits(wanted: MediaRange, media_type: str, transfer_syntax: str) -> bool:
    if not wanted.covers(media_type):
        return False
    if wanted.transfer_syntax is None:
        return transfer_syntax == EXPLICIT_LITTLE_ENDIAN or wanted.inner != OCTETS
    return wanted.transfer_syntax in ("*", transfer_syntax)


def _split(text: str, separator: str) -> list[str]:
    """`text` at each `separator` outside quoted strings."""
    pieces, start, quoted, escaped = [], 0, False, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            pieces.append(text[start:position])
            start = position + 1
    return [*pieces, text[start:]]


def _unquoted(value: str) -> str:
    """A parameter's value without its quotes and escapes."""
    value = value.strip()
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    characters = iter(value[1:-1])
    return "".join(next(characters, "") if character == "\\" else character for character in characters)
