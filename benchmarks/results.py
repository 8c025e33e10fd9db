"""What the benchmarks share: a process's peak memory, and where tables are kept."""

from __future__ import annotations

import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def peak_memory_mb() -> float:
    """Peak memory of this process in MB; 0 where the system does not say.

    Not getrusage: a process inherits the peak of the one that started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1e3 if found else 0.0


def show(table: str, write: bool) -> None:
    """Print a table and, where asked, add it to RESULTS.md."""
    print(table)
    if write:
        with RESULTS.open("a") as file:
            file.write("\n" + table)
