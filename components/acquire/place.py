"""Raw files of one source into its folder under data/raw, in their official layout."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.acquire.download import download
from components.cards import ACCESS_NOTES, Card, Download
from components.errors import UserError
from components.lineage import hash_file
from components.raw_files import refer_to

if TYPE_CHECKING:
    from components.sample.settings import SampleSettings

PLAIN_FILES = (".json", ".jsonl", ".npz", ".parquet", ".xlsx", ".xml", ".gz")
MAX_DOWNLOAD_BYTES = 8 << 30


def can_make(card: Card) -> bool:
    """Whether the sample world makes the source's files."""
    from components.sample.world import MAKERS

    return card.name in MAKERS


def place_sample(card: Card, folder: Path, settings: SampleSettings) -> list[Path]:
    """Make the source's files with the sample world; returns them, sorted."""
    from components.sample.world import make_source

    return make_source(card.name, folder, settings)


def place_local(card: Card, user_root: Path, folder: Path) -> list[Path]:
    """Copy the files that the card's roles match from its sub-folder of the user's root.

    The first of ``card.folders`` that holds what is required counts; paths below it are kept.
    Returns the copies, sorted. Raises UserError, with licence and how to get it, where nothing
    fits, where a link leads out of the user's root, and where the card knows a file's sha256 and
    it is another: what is copied must be what was meant.
    """
    origin, found = _find_local(card, user_root, folder)
    placed = []
    for path in found:
        copy = folder / path.relative_to(origin)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        placed.append(copy)
    return placed


def refer_local(card: Card, user_root: Path, folder: Path) -> list[Path]:
    """The same for files that may not be handed on: they stay, and ``folder`` says where they are.

    Returns the user's own files, sorted.
    """
    origin, found = _find_local(card, user_root, folder)
    refer_to(found, origin, folder)
    return found


def _find_local(card: Card, user_root: Path, folder: Path) -> tuple[Path, list[Path]]:
    _check_root(card, user_root, folder)
    origin, found = find_origin(card, user_root)
    allowed = (user_root.resolve(), origin.resolve())
    for path in found:
        target = path.resolve()
        if not any(target.is_relative_to(place) for place in allowed):
            raise UserError(
                f"{path} is a link to {target}, outside of {user_root}",
                why="only files under acquire.root are taken",
                next_command="put the file itself there, or point acquire.root at its real folder",
            )
        check_content(card, path, path.relative_to(origin).as_posix())
    return origin, found


def place_download(card: Card, folder: Path) -> list[Path]:
    """Fetch the files that the card lists, or its address where that is a plain file; sorted.

    Raises UserError, with how to get it, where neither is so or access is not open, when a file's
    sha256 is another, and when what came is not what the card's roles need.
    """
    source = card.source
    files = source.downloads or _plain_file(source.url)
    if not is_open(card):
        raise UserError(
            f"{card.title} (data/cards/{card.name}.yaml) cannot be downloaded by itself",
            why=f"licence {source.licence}; access: {source.access}, "
            f"{ACCESS_NOTES[source.access]}. {source.url}{'' if files else ' is not a plain file'}",
            next_command=source.how_to_get,
        )
    placed = [
        download(
            file.url,
            folder / file.path,
            hosts=frozenset({urlsplit(file.url).hostname or ""}),
            max_bytes=MAX_DOWNLOAD_BYTES,
            sha256=file.sha256,
        )
        for file in files
    ]
    _match_roles(card, folder)
    return sorted(placed)


def is_open(card: Card) -> bool:
    """Whether anyone may fetch the card's files, and they are plain files."""
    source = card.source
    return source.access == "open" and bool(source.downloads or _plain_file(source.url))


def _plain_file(url: str) -> list[Download]:
    name = PurePosixPath(urlsplit(url).path).name
    return [Download(url=url, path=name)] if name.endswith(PLAIN_FILES) else []


def check_content(card: Card, path: Path, name: str) -> None:
    """UserError where the card lists a file of this name with another sha256."""
    known = {file.path: file.sha256 for file in card.source.downloads}
    if not known.get(name):
        return
    found = hash_file(path)
    if found != known[name]:
        raise UserError(
            f"{path} is not the file that data/cards/{card.name}.yaml names",
            why=f"its sha256 is {found}, not {known[name]}",
            next_command=card.source.how_to_get,
        )


def find_altered(card: Card, files: Iterable[Path]) -> list[str]:
    """Names of files whose md5 is not the one that the holder publishes for a file of that name.

    Such a copy may still be what the user means (a hub's, a cut), so that it is told, not refused.
    """
    published = card.source.md5
    return sorted(
        path.name for path in files if path.name in published and _md5(path) != published[path.name]
    )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False))
    return digest.hexdigest()


def _check_root(card: Card, user_root: Path, folder: Path) -> None:
    if user_root == Path():  # what an empty setting becomes
        raise UserError(
            "acquire.root is empty",
            why=f"{card.title} (data/cards/{card.name}.yaml) is neither made nor fetched: it is "
            "copied from the folder that acquire.root names",
            next_command=f"{card.source.how_to_get}; then set acquire.root in params.yaml",
        )
    if not user_root.is_dir():
        raise UserError(
            f"acquire.root {user_root} is not a folder",
            next_command="set acquire.root in params.yaml to the folder with your raw files",
        )
    if folder.resolve().is_relative_to(user_root.resolve()):
        raise UserError(
            f"acquire.root {user_root} holds {folder}, where the files go",
            why="copying a folder into itself would grow it with every run",
            next_command="set acquire.root in params.yaml to another folder",
        )


def find_origin(card: Card, user_root: Path) -> tuple[Path, list[Path]]:
    """The card's sub-folder that fits, and its files; else the error of the first that is there."""
    fault = None
    for name in card.folders:
        origin = user_root / name
        if not origin.is_dir():
            continue
        try:
            return origin, _match_roles(card, origin)
        except UserError as error:
            fault = fault or error
    raise fault or card.missing([user_root / name for name in card.folders], "raw")


def _match_roles(card: Card, origin: Path) -> list[Path]:
    """Files of every role, each once; UserError where a required role, or all of them, has none."""
    found = {path for role in card.files for path in card.find(origin, role)}
    if not found:
        patterns = [origin / p for files in card.files.values() for p in files.patterns]
        raise card.missing(patterns, "raw")
    return sorted(found)
