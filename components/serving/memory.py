"""No memory: said in one sentence, before the system ends the process where that can be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import UserError

MEMINFO = Path("/proc/meminfo")
CGROUPS = (  # of version 2, of version 1
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
REFUSED = re.compile(r"not enough memory|can't allocate memory|out of memory", re.IGNORECASE)
ADVICE = "end other programs, ask about fewer images at once, or take a smaller size of the model"
ROOM = 1.25  # beside the weights, which are held once


def available_memory() -> int | None:
    """Bytes that this process may still take, as far as Linux tells; None where it does not."""
    if not MEMINFO.is_file():
        return None
    found = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text())
    known = [int(found[1]) << 10] if found else []
    return min([*known, *container_limits()], default=None)


def container_limits(files: Iterable[Path] = CGROUPS) -> list[int]:
    """Bytes that a container allows this process, as its control group tells; none outside one."""
    told = [path.read_text().strip() for path in files if path.is_file()]
    return [int(limit) for limit in told if limit.isdigit()]  # "max": no limit


def check_room(weights: Path) -> None:
    """UserError where a file of weights is larger than what memory is left."""
    available, wanted = available_memory(), int(weights.stat().st_size * ROOM)
    if available is not None and wanted > available:
        raise UserError(
            f"{weights.parent} does not fit into memory",
            why=f"it needs {wanted / 1e9:.1f} GB, {available / 1e9:.1f} GB are free",
            next_command=ADVICE,
        )


@contextmanager
def memory_told() -> Iterator[None]:
    """Turn a refusal of memory, by Python or by torch, into a UserError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not REFUSED.search(str(error)):
            raise
        raise UserError(
            "there is not enough memory to answer", why=str(error).split("\n")[0][:200],
            next_command=ADVICE,
        ) from error  # fmt: skip
