"""Which files carry which split, and which file a row's path may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from components.cards import Card
from components.records import SPLITS, UNSPLIT, Reject

MISSING = "missing-image"
ALL = "all"  # the role of files without an official split


@dataclass(frozen=True, slots=True)
class SplitFile:
    """A file of records, the split that its role names, and its name in origins."""

    path: Path
    split: str
    name: str


def find_split_files(card: Card, root: Path) -> list[SplitFile]:
    """Files of the card's split roles in order; those of role ``all`` only where none is there.

    Raises UserError, with licence and how to get it, when the folder holds neither.
    """
    found = [
        SplitFile(path, split, path.relative_to(root).as_posix())
        for split in SPLITS
        if split in card.files
        for path in card.find(root, split)
    ]
    if not found and ALL in card.files:
        found = [
            SplitFile(path, UNSPLIT, path.relative_to(root).as_posix())
            for path in card.find(root, ALL)
        ]
    if not found:
        wanted = [role for role in (*SPLITS, ALL) if role in card.files]
        patterns = [root / pattern for role in wanted for pattern in card.files[role].patterns]
        raise card.missing(patterns, " or ".join(wanted))
    return found


def name_apart(short: Mapping[str, str]) -> dict[str, str]:
    """What ids call each file, by its name: its ``short`` name, which lacks a suffix or a folder.

    Where two files share one (``x.png`` beside ``x.jpg``), all are called by their whole names: an
    id means one record.
    """
    are_apart = len(set(short.values())) == len(short)
    return dict(short) if are_apart else {name: name for name in short}


def group_by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Files by their names without suffix, as those name them who leave it out."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(path.stem, []).append(path)
    return found


def pick_by_stem(files: Mapping[str, Sequence[Path]], stem: str, origin: str) -> Path | Reject:
    """The one file of that name without suffix; a Reject where there is none, or more than one."""
    found = files.get(stem, ())
    if len(found) == 1:
        return found[0]
    if not found:
        return Reject(origin, MISSING, stem)
    names = ", ".join(sorted({path.name for path in found}))
    return Reject(origin, "ambiguous-image", f"{len(found)} files are called {stem}: {names}")


def locate(name: str, base: Path, root: Path, origin: str) -> Path | Reject:
    """The file that a row names, looked for under ``base``; a Reject where it may not be used.

    Rows are untrusted: an absolute path, a way up, or a link that leads out of ``root`` is
    refused. Windows separators are read as separators.
    """
    posix = PurePosixPath(name.replace("\\", "/"))
    outside = posix.is_absolute() or ".." in posix.parts or PureWindowsPath(name).drive
    if outside or "\0" in name:
        return Reject(origin, "path-outside", repr(name)[:200])
    path = base / posix
    try:
        if not path.is_file():
            return Reject(origin, MISSING, str(posix))
    except OSError as error:  # a name that no file system can hold
        return Reject(origin, MISSING, f"{str(posix)[:200]}: {error.strerror}")
    if not path.resolve().is_relative_to(root.resolve()):
        return Reject(origin, "path-outside", f"{posix} is a link out of the data set's folder")
    return path
