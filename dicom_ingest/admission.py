"""Who may associate, and with what: the rows of AETitle as they were read last, and their limits."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from threading import Event, Thread

from django.db import DatabaseError, close_old_connections, connection
from pydicom.uid import UID
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from dicom_ingest.models import AETitle
from dicom_ingest.storage_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_ingest.store import association_slot

_logger = logging.getLogger(__name__)
_REFRESH_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class RejectReason:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8, 9.3.4)."""

    result: int
    source: int
    reason: int


# Permanent, by the service user; for now, by the service provider.
CALLED_UNKNOWN = RejectReason(result=1, source=1, reason=7)
CALLING_UNKNOWN = RejectReason(result=1, source=1, reason=3)
LIMIT_EXCEEDED = RejectReason(result=2, source=3, reason=2)


class NotAdmitted(Exception):
    """An association that is refused, with the standard's reason and a sentence."""

    def __init__(self, reason: RejectReason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Called:
    """A called AE title and its limits; an empty set of them is no limit, and so are 0 associations."""

    title: str
    sop_classes: frozenset[str] = frozenset()
    calling_aes: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    maximum_associations: int = 0

    @classmethod
    def of(cls, row: AETitle) -> "Called":
        return cls(
            title=row.title,
            sop_classes=frozenset(row.accepted_sop_classes),
            calling_aes=frozenset(row.allowed_calling_aes),
            networks=tuple(ip_network(one, strict=False) for one in row.allowed_addresses),
            maximum_associations=row.maximum_associations,
        )

    def check(self, *, calling_ae: str, address: str) -> None:
        """Raises NotAdmitted when `calling_ae` at `address` may not call."""
        if self.calling_aes and calling_ae not in self.calling_aes:
            raise NotAdmitted(CALLING_UNKNOWN, "The calling AE title is not one of those allowed to call.")
        caller = ip_address(address.partition("%")[0])
        caller = getattr(caller, "ipv4_mapped", None) or caller
        if self.networks and not any(caller in network for network in self.networks):
            raise NotAdmitted(CALLING_UNKNOWN, "The address is not one of those allowed to call.")

    def supported(self, proposed: list[PresentationContext]) -> list[PresentationContext]:
        """The proposed classes that are taken, each in every transfer syntax proposed with it that pydicom knows."""
        taken = STORAGE_CLASSES & self.sop_classes if self.sop_classes else STORAGE_CLASSES
        syntaxes: dict[UID, list[UID]] = {}
        for context in proposed:
            if context.abstract_syntax in taken:
                known = [syntax for syntax in context.transfer_syntax if syntax in TRANSFER_SYNTAXES]
                syntaxes.setdefault(context.abstract_syntax, []).extend(known)
        contexts = [
            build_context(abstract, list(dict.fromkeys(known))) for abstract, known in syntaxes.items() if known
        ]
        return [*contexts, build_context(Verification), _commitment_context()]

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the title's associations, counted over all processes. Raises NotAdmitted when all are taken.

        A slot is a lock on a file, so that a process that is killed gives its own back.
        """
        for number in range(self.maximum_associations):
            path = association_slot(self.title, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        if self.maximum_associations:
            most = self.maximum_associations
            raise NotAdmitted(LIMIT_EXCEEDED, f"The AE title takes no more than {most} associations at a time.")
        yield


class CalledTitles:
    """The AE titles that may be called: the active rows of the database, as last known."""

    def __init__(self) -> None:
        self._titles: dict[str, Called] = {}
        self._is_current = True
        self._stop = Event()
        self._thread = Thread(target=self._run, name="called-titles", daemon=True)

    def __contains__(self, title: object) -> bool:
        return title in self._titles

    def get(self, title: str) -> Called | None:
        return self._titles.get(title)

    def start(self) -> None:
        """Read the titles, waiting for the database if need be, and then again every few seconds."""
        self._read()
        while not self._is_current and not self._stop.wait(1):
            self._read()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_REFRESH_SECONDS):
            self._read()
        connection.close()

    def _read(self) -> None:
        close_old_connections()
        try:
            self._titles = {row.title: Called.of(row) for row in AETitle.objects.filter(active=True)}
        except DatabaseError as error:
            if self._is_current:
                _logger.warning("AE titles cannot be read (%s); those last known stay in force.", type(error).__name__)
            self._is_current = False
            return
        self._is_current = True


def _commitment_context() -> PresentationContext:
    """Remotes answer on it, in the role of the one who was asked, for what we sent them."""
    context = build_context(StorageCommitmentPushModel)
    context.scu_role = context.scp_role = True
    return context
