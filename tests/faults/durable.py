"""What a power cut would leave: a disk on which only what was fsynced is sure, told from a trace of system calls.

POSIX promises a file's bytes after an fsync of the file, and its name after an fsync of its folder; this disk promises
nothing else. Calls count when they return, and what goes over the network when it is begun: the stricter of both.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.dicom_ingest.waiting import until
from tests.faults.processes import members

_FILES = "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir"
_BYTES = "write,pwrite64,writev,pwritev,ftruncate,truncate,copy_file_range,sendfile,fsync,fdatasync,syncfs,sync"
_NETWORK = "sendto,sendmsg"
_LINE = re.compile(r"^(?P<process>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>)?(?P<rest>.*)$")
_CALL = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*?)(?P<cut> <unfinished \.\.\.>)?$")
_ENDED = re.compile(r"\) += +(?P<result>-?\d+|\?)")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DESCRIPTOR = re.compile(r"(?:^|[(, ])(?:\d+|AT_FDCWD)<(?P<what>[^>]*(?:->[^>]*)?)>")
# P-DATA-TF (PS3.8, 9.3.5) to the peer: what carries a response.
_P_DATA = r'"\x04\x00'


@dataclass(frozen=True)
class Call:
    """One system call as it began or, when `result` is known, as it returned."""

    name: str
    arguments: str
    result: int | None

    @property
    def texts(self) -> list[Path]:
        """Its quoted arguments as paths; those of the `at` calls are absolute here, for Overread's are."""
        return [Path(bytes(text, "ascii").decode("unicode_escape")) for text in _TEXT.findall(self.arguments)]

    @property
    def descriptor(self) -> str:
        """What its first file descriptor is open on."""
        found = _DESCRIPTOR.search(self.arguments)
        return found["what"] if found else ""


@dataclass
class Disk:
    """Names and the files they lead to, as processes see them and as a power cut would leave them."""

    root: Path
    _names: dict[Path, int] = field(default_factory=dict)
    _sure_names: dict[Path, int] = field(default_factory=dict)
    _sure_files: set[int] = field(default_factory=set)
    _files: int = 0

    def survivors(self, folder: Path) -> set[Path]:
        """The files under `folder` that a power cut would leave whole, at names that could be followed to them."""
        found = (path for path, file in self._sure_names.items() if file in self._sure_files and folder in path.parents)
        return {path for path in found if self._is_reachable(path.parent)}

    def file(self, path: Path) -> int | None:
        """Which file a name led to at last for sure, so that two names can be told to be one file's."""
        return self._sure_names.get(path)

    def apply(self, call: Call) -> None:
        """Take note of a call that returned well."""
        act = getattr(self, f"_{call.name.removesuffix('2').removesuffix('at')}", None)
        if act is not None:
            act(call)

    def _is_reachable(self, folder: Path) -> bool:
        inside = [one for one in (folder, *folder.parents) if self.root in one.parents]
        return all(one in self._sure_names or one not in self._names for one in inside)

    def _create(self, path: Path) -> None:
        if path not in self._names and self.root in path.parents:
            self._files += 1
            self._names[path] = self._files

    def _open(self, call: Call) -> None:
        if "O_CREAT" in call.arguments:
            self._create(call.texts[0])
        if "O_TRUNC" in call.arguments:
            self._sure_files.discard(self._names.get(call.texts[0], 0))

    def _mkdir(self, call: Call) -> None:
        self._create(call.texts[0])

    def _rename(self, call: Call) -> None:
        old, new = call.texts
        if old in self._names:
            self._names[new] = self._names.pop(old)

    def _link(self, call: Call) -> None:
        old, new = call.texts
        if old in self._names:
            self._names[new] = self._names[old]

    def _unlink(self, call: Call) -> None:
        self._names.pop(call.texts[0], None)
        self._sure_names.pop(call.texts[0], None)  # it may be gone after a power cut, so it is

    def _write(self, call: Call) -> None:
        self._sure_files.discard(self._names.get(Path(call.descriptor), 0))

    _pwrite64 = _writev = _pwritev = _ftruncate = _copy_file_range = _write

    def _sendfile(self, call: Call) -> None:
        self._write(call)

    def _fsync(self, call: Call) -> None:
        path = Path(call.descriptor)
        if path in self._names:
            self._sure_files.add(self._names[path])
        for folder in {one.parent for one in (*self._names, *self._sure_names)} & {path}:
            self._sure_names = {one: file for one, file in self._sure_names.items() if one.parent != folder}
            self._sure_names |= {one: file for one, file in self._names.items() if one.parent == folder}

    _fdatasync = _fsync

    def _sync(self, _call: Call) -> None:
        self._sure_names = dict(self._names)
        self._sure_files = set(self._names.values())

    _syncfs = _sync


def is_response(call: Call) -> bool:
    """Whether it begins to send a DIMSE response."""
    is_sent = call.name in {"sendto", "sendmsg", "write", "writev"} and call.descriptor.startswith("TCP")
    return call.result is None and is_sent and _P_DATA in call.arguments


def replay(trace: Path) -> Iterator[Call]:
    """Each call twice: as it began, and as it returned unless it failed."""
    begun: dict[tuple[str, str], str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        parts = _LINE.match(line)
        if parts is None:
            continue
        if parts["resumed"]:
            name, arguments = parts["resumed"], begun.pop((parts["process"], parts["resumed"]), "") + parts["rest"]
        elif (call := _CALL.match(parts["rest"])) is not None:
            name, arguments = call["name"], call["arguments"]
            yield Call(name, arguments, None)
            if call["cut"]:
                begun[parts["process"], name] = arguments
                continue
        else:
            continue
        ended = _ENDED.search(arguments)
        if ended is not None and ended["result"] != "?" and int(ended["result"]) >= 0:
            yield Call(name, arguments, int(ended["result"]))


@contextmanager
def traced(group: int, trace: Path) -> Iterator[None]:
    """Write the system calls of every process of `group`, and of their children, to `trace`."""
    command = ["strace", "-f", "-yy", "-x", "-s", "256", "-e", "signal=none", "-o", str(trace)]
    command += ["-e", f"trace={_FILES},{_BYTES},{_NETWORK}"]
    for process in _settled(group):
        command += ["-p", str(process)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert until(lambda: _is_traced(group) or strace.poll() is not None), "strace does not attach."
        assert strace.poll() is None, strace.communicate()[1]
        yield
    finally:
        strace.terminate()
        strace.communicate()


def _settled(group: int) -> list[int]:
    """The processes of the group, once none was added for a second: one that is just being born would escape."""
    while True:
        before = members(group)
        time.sleep(1)
        if sorted(members(group)) == sorted(before):
            return before


def _is_traced(group: int) -> bool:
    """Whether a tracer holds every thread of the group's processes."""
    threads = (task for process in members(group) for task in Path(f"/proc/{process}/task").glob("*/status"))
    return all("TracerPid:\t0\n" not in task.read_text() for task in threads)
