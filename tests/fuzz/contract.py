"""What holds of each case: a result or the documented error, in bounded memory and time, and no
file outside of the case's folder."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

CPU_S = 5.0  # of one case
MEMORY_BYTES = 2 << 30  # of address space beyond what the process had before the first case
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MAKING = ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir")
RUNNING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")


@dataclass(frozen=True, slots=True)
class Breach:
    """How a case broke the contract: what was raised or done, and in which line."""

    kind: str
    place: str
    detail: str


class _TooLong(BaseException):
    """No ``except Exception`` of a reader holds it up."""


class _Watch:
    """What an audit hook saw since the last case; hooks cannot be taken away, so one stays."""

    def __init__(self) -> None:
        self.allowed: str | None = None
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open" and not (arguments[2] or 0) & WRITING:
            return
        if event in ("open", *MAKING):
            place = os.path.realpath(os.fsdecode(arguments[0])) if _is_path(arguments[0]) else ""
            own = (self.allowed, os.path.realpath(tempfile.gettempdir()), "/dev/null")
            if place and not place.startswith(own):
                self.seen.append(f"{event} {place}")
        elif event in RUNNING:
            self.seen.append(f"{event} {arguments[0]!r}"[:200])


def _is_path(value: Any) -> bool:
    return isinstance(value, str | bytes | os.PathLike)


_WATCH = _Watch()


def watch_files() -> None:
    """Hear of files, processes and connections from now on, for the life of this process."""
    sys.addaudithook(_WATCH)


@contextmanager
def limited_memory() -> Iterator[None]:
    """No more address space than MEMORY_BYTES beyond what is in use now; Linux only."""
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def hold(
    call: Callable[[], object], documented: tuple[type[Exception], ...], folder: Path
) -> str | Breach:
    """Make a call: "result", "refused" (a documented error), or how the contract was broken."""
    _WATCH.allowed, _WATCH.seen = str(folder.resolve()), []
    before = signal.signal(signal.SIGVTALRM, _raise_too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        call()
        outcome: str | Breach = "result"
    except documented as error:
        outcome = "refused" if str(error) else Breach("silent", _place(error), type(error).__name__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of a library in Rust is no Exception
        outcome = Breach(type(error).__name__, _place(error), str(error)[:300])
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        _WATCH.allowed = None
    if _WATCH.seen:
        return Breach("outside", "", "; ".join(_WATCH.seen[:3]))
    return outcome


def _raise_too_long(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong(f"more than {CPU_S:g} s")


def _place(error: BaseException) -> str:
    """The last line of this project that the error went through, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/components/" in frame.filename]
    ends = [own[-1]] if own else []
    ends += [frames[-1]] if frames and frames[-1] not in ends else []
    return " <- ".join(f"{'/'.join(Path(f.filename).parts[-2:])}:{f.lineno}" for f in ends)
