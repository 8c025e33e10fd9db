"""dvc.lock, read: which stage made a path, by which command, from which contents.

DVC writes it; it is plain YAML of a documented form (schema 2.0), and reading it takes a tenth of
the time of opening DVC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.schema import load_yaml

DVC_LOCK = Path("dvc.lock")


@dataclass(frozen=True, slots=True)
class LockedStage:
    """A stage that ran: ``deps`` and ``outs`` map paths to DVC's md5 (``.dir`` for a folder)."""

    name: str
    cmd: str
    deps: Mapping[str, str]
    outs: Mapping[str, str]
    params: Mapping[str, Any]

    @property
    def hashes(self) -> dict[str, str]:
        """Of deps and outs together."""
        return {**self.deps, **self.outs}


def read_lock(path: Path = DVC_LOCK) -> dict[str, LockedStage]:
    """Every stage of dvc.lock by name; none where the file is not there."""
    if not path.is_file():
        return {}
    try:
        content = load_yaml(path)
        return {name: _read_stage(name, of) for name, of in content["stages"].items()}
    except (UserError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read", why=getattr(error, "why", repr(error)),
            next_command="git checkout dvc.lock, or dvc repro, which writes it anew",
        ) from None  # fmt: skip


def _read_stage(name: str, entry: dict[str, Any]) -> LockedStage:
    deps, outs = (
        {item["path"]: str(item.get("md5", "")) for item in entry.get(kind, [])}
        for kind in ("deps", "outs")
    )
    return LockedStage(name, entry["cmd"], deps, outs, entry.get("params", {}))


def find_stage(path: str, lock: Path = DVC_LOCK) -> LockedStage | None:
    """The stage whose out is this path, or holds it."""
    for stage in read_lock(lock).values():
        for out in stage.outs:
            if path == out or path.startswith(f"{out}/"):
                return stage
    return None
