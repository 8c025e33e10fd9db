"""The key report of an import: what a checkpoint held, and what became of each name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.checkpoints.matching import Match
from components.checkpoints.source import Source

Report = dict[str, Any]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def make_report(path: Path, source: Source, kind: str, match: Match) -> Report:
    """Everything that was found, as plain data."""
    by_kind: dict[str, list[str]] = {}
    for fault in match.faults:
        by_kind.setdefault(fault.kind, []).append(fault.name)
    dtypes = Counter(str(value.dtype).removeprefix("torch.") for value in source.tensors.values())
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "kind": kind,
        "weights": source.place,
        "tensors": len(source.tensors),
        "dtypes": dict(sorted(dtypes.items())),
        "parameters": sum(
            value.numel() for name, value in match.tensors.items() if not name.endswith(STATISTICS)
        ),
        "missing": by_kind.pop("missing", []),
        "unexpected": by_kind.pop("unexpected", []),
        "accepted": by_kind,
        "drawn": match.fresh,
        "training_only": len(match.left_out),
        "tied_copies": match.copies,
        "derived_tables": match.tables,
        "assumed": match.assumed,
    }


def describe(report: Report) -> list[str]:
    """The report in lines for a person."""
    dtypes = ", ".join(f"{number} {dtype}" for dtype, number in report["dtypes"].items())
    held = [
        ("file", f"{report['file']}, {report['bytes']:,} bytes, sha256 {report['sha256']}"),
        ("kind", f"{report['kind']}, weights {report['weights'] or 'at the top'}"),
        ("tensors", f"{report['tensors']}: {dtypes}"),
        ("parameters", f"{report['parameters']:,}, written in float32"),
        (
            "names",
            f"{_listed(report['missing'])} missing, {_listed(report['unexpected'])} unexpected",
        ),
        ("tied copies", _verdicts(report["tied_copies"])),
        ("derived tables", _verdicts(report["derived_tables"])),
        ("training only", f"{report['training_only']} left out"),
        *((f"accepted {kind}", _listed(names)) for kind, names in report["accepted"].items()),
        ("assumed", ", ".join(f"{key} {value}" for key, value in report["assumed"].items())),
    ]
    return [f"{label:<15} {words}" for label, words in held if words]


def _listed(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if names else "0"


def _verdicts(verdicts: Mapping[str, str]) -> str:
    counts = Counter(verdicts.values())
    return ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
