"""The study's log: what was done to it, and when, one JSON line each, never rewritten."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG = "log.jsonl"


def note_step(folder: Path, step: str, **facts: Any) -> None:
    """Append a line with the time in UTC."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "step": step, **facts}
    with (folder / LOG).open("a") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")
