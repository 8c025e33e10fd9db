"""Manifests: what made a product, from what, with how many rows in and out.

A folder is a finished product when its ``manifest.json`` is there, written last. A manifest holds
no time and no host, so that the same inputs, settings and code give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components import __version__
from components.errors import FORMAT, UserError, check_format, damaged, load_object
from components.records import Reject, write_records

MANIFEST = "manifest.json"
QUARANTINE = "quarantine.parquet"
PACKAGES = ("components", "__main__")  # whose modules may be code of ours


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(content: bytes) -> str:
    """sha256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def hash_code() -> str:
    """sha256 over the sources of every component module that this process has loaded.

    A stage's door, which ``python -m`` calls ``__main__``, is one of them.
    """
    root = Path(__file__).resolve().parent
    named = (sys.modules[n] for n in sorted(sys.modules) if n.split(".")[0] in PACKAGES)
    files = (getattr(module, "__file__", None) for module in named)
    sources = {Path(file).resolve() for file in files if file}
    digest = hashlib.sha256()
    for source in sorted(source for source in sources if source.is_relative_to(root)):
        relative = source.relative_to(root).as_posix()
        digest.update(relative.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def check_share(
    folder: Path, num_in: int, rejects: list[Reject], limit: float, what: str, *, hide: bool = False
) -> None:
    """Raise UserError when the share of unusable records is above ``limit``.

    The records then lie in the quarantine file of ``folder``, which gets no manifest. ``hide``
    those of which the error, that logs and servers keep, may tell where they stand and nothing
    that they hold.
    """
    if not is_above(len(rejects), num_in, limit):
        return
    write_records(folder / QUARANTINE, Reject, _in_order(rejects))
    reasons = Counter(reject.reason for reject in rejects)
    first = rejects[0].origin if hide else f"{rejects[0].origin}: {rejects[0].detail}"
    raise too_many_unusable(folder, num_in, reasons, first=first, limit=limit, what=what)


def is_above(num: int, num_in: int, limit: float) -> bool:
    """Whether so many of ``num_in`` are more than the share ``limit``."""
    return bool(num_in) and num / num_in > limit


def too_many_unusable(
    folder: Path, num_in: int, reasons: Counter[str], *, first: str, limit: float, what: str
) -> UserError:
    """The error that ends a stage whose input is too faulty to go on with."""
    worst = "; ".join(f"{reason} ({n})" for reason, n in reasons.most_common(3))
    return UserError(
        f"{what}: {reasons.total()} of {num_in} records were unusable (limit {limit:.0%})",
        why=f"{worst}. First: {first}. All: {folder / QUARANTINE}",
        next_command="mend the source, or raise the stage's max_quarantined in params.yaml",
    )


def _in_order(rejects: Iterable[Reject]) -> list[Reject]:
    return sorted(rejects, key=lambda r: (r.origin, r.reason, r.detail))


def write_manifest(
    folder: Path,
    *,
    stage: str,
    identity: Mapping[str, str],
    settings: Mapping[str, Any],
    inputs: Iterable[Path],
    counts: Mapping[str, int],
    rejects: Iterable[Reject] = (),
    reasons: Mapping[str, int] | None = None,
    rules: Collection[str] = (),
    notes: Mapping[str, Any] | None = None,
    access: str = "",
) -> dict[str, Any]:
    """Write the quarantine file and, last, the manifest of a product folder; return the manifest.

    Where the quarantine is too large for one file, it was written before, as shards under its name,
    and ``reasons`` says how many records it holds by reason.

    ``counts`` must hold ``in`` and ``out``; in = out + quarantined is checked here. ``rules`` are
    the reasons that are no faults of a record, such as a limit. An input that is a folder with a
    manifest is named by that manifest's hash, any other by its content.

    ``access`` is the data class of what is brought here (its card's access class). What is made of
    a product inherits its classes, so that a model tells whether credentialed records formed it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if reasons is None:
        rejected = _in_order(rejects)
        reasons = Counter(reject.reason for reject in rejected)
        write_records(folder / QUARANTINE, Reject, rejected)
    reasons, num_rejected = dict(sorted(reasons.items())), sum(reasons.values())
    if counts["in"] != counts["out"] + num_rejected:
        told = f"{dict(counts)} and {num_rejected} quarantined do not add up"
        raise AssertionError(f"{stage}: {told}")
    inputs = sorted(inputs)
    manifest = {
        FORMAT: 1,
        "stage": stage,
        "identity": dict(identity),
        "version": __version__,
        "code_sha256": hash_code(),
        "settings": dict(settings),
        "inputs": {path.as_posix(): hash_product(path) for path in inputs},
        "access": sorted({access, *inherit_access(inputs)} - {""}),
        "counts": {**counts, "quarantined": num_rejected},
        "quarantine": reasons,
        "rules": [reason for reason in reasons if reason in rules],
        "notes": dict(notes or {}),
        "files": _describe_files(folder),
    }
    partial = folder / (MANIFEST + ".partial")
    partial.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    partial.replace(folder / MANIFEST)
    return manifest


def _describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hash_file(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def inherit_access(inputs: Iterable[Path]) -> Iterator[str]:
    """The data classes of products; a folder of products has those of all."""
    for path in inputs:
        own = path / MANIFEST
        for file in [own] if own.is_file() else path.glob(f"*/{MANIFEST}"):
            yield from load_object(file).get("access", [])


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished product.

    UserError when the product is not finished, or not whole, or a newer package finished it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(
            f"{folder} is not a finished product",
            why=f"{MANIFEST} is written last, and it is not there",
            next_command="dvc repro",
        )
    manifest = load_object(path)
    check_format(manifest, path)
    return manifest


def check_files(path: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """UserError where a file beside the manifest ``path`` is another than its ``files`` tell.

    After a power cut a file may have its length, and hold zeros. Folders below are not looked into;
    a file that is missing is told by its reader.
    """
    for name, facts in files.items():
        file = path.parent / name
        if "/" not in name and file.is_file() and hash_file(file) != facts["sha256"]:
            raise damaged(file, f"it is not the file that {path} speaks of")


def hash_product(path: Path) -> str:
    """What a product's content is: its manifest's hash, a file's hash, or a hash over a folder.

    UserError when there is nothing at ``path``.
    """
    if not path.exists():
        raise UserError(f"{path} is missing", next_command="dvc repro")
    if (path / MANIFEST).is_file():
        return hash_file(path / MANIFEST)
    if path.is_file():
        return hash_file(path)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            digest.update(hash_file(file).encode())
    return digest.hexdigest()
