"""The metadata JSON of a PMC article: read, checked, and its flags in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def read_metadata(candidates: Iterable[Path]) -> dict[str, Any]:
    """The first of the files that is there, {} where none is; ValueError where it is broken."""
    for candidate in candidates:
        if candidate.is_file():
            values = json.loads(candidate.read_bytes())
            if not isinstance(values, dict):
                raise ValueError(f"{candidate.name} is not a JSON object")
            _check(values)
            return values
    return {}


def _check(values: dict[str, Any]) -> None:
    """ValueError for what no column can hold, and for a flag of retraction that says neither."""
    json.dumps(values, ensure_ascii=False).encode()
    version, retracted = values.get("version"), values.get("is_retracted")
    if isinstance(version, int) and not 0 <= version < 2**31:
        raise ValueError(f"version is {version}")
    if retracted not in (None, "") and read_flag(retracted) is None:
        raise ValueError(f"is_retracted is {str(retracted)[:80]!r}")


def read_flag(value: object) -> bool | None:
    """A flag of the metadata; None where it is not stated, or not in words that are known."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return value if isinstance(value, bool) else known.get(str(value).strip().lower())
