"""Get a published version: each file checked, resumed where it broke off, whole or not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.acquire.transfer import NotFetched, Sums, Terms, transfer
from components.artifacts.address import Address
from components.artifacts.manifest import OWN, Content, Manifest, parse_manifest
from components.artifacts.places import Place, open_place
from components.artifacts.versions import find_version, object_key
from components.errors import UserError

MAX_FILE_BYTES = 1 << 40
UNFINISHED = ".unfinished"  # the folder's name until it is whole


def fetch(
    address: Address,
    to: Path | None = None,
    *,
    terms: Terms | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Path, Manifest]:
    """Bring an artifact into a new folder (``to``, else NAME-vN here); where it is, and what it is.

    A folder that has it already is checked, file by file. UserError, and no folder, where a content
    is damaged or missing; what came before stays, and the next attempt goes on from there.
    """
    place = open_place(address.place)
    manifest = find_version(place, address)
    folder = to or Path(f"{manifest.name}-v{manifest.version}")
    if folder.exists():
        check_folder(folder, manifest)
        return folder, manifest
    unfinished = folder.with_name(folder.name + UNFINISHED)
    fetcher = _Fetcher(place, manifest, terms or Terms(max_bytes=MAX_FILE_BYTES), tell)
    for name, content in manifest.files.items():
        fetcher.bring(name, content, unfinished / name)
    _remove_strangers(unfinished, manifest)
    (unfinished / OWN).write_bytes(manifest.dump())
    unfinished.replace(folder)
    return folder, manifest


@dataclass(frozen=True, slots=True)
class _Fetcher:
    place: Place
    manifest: Manifest
    terms: Terms
    tell: Callable[[str], None]

    def bring(self, name: str, content: Content, path: Path) -> None:
        """Bring a file, unless it is there and right."""
        sums = Sums(sha256=content.sha256, size=content.bytes)
        if sums.hold(path):
            return
        key = object_key(content.sha256)
        self.tell(f"fetches {name}, {content.bytes:,} bytes")
        try:
            opener = partial(self.place.open, key)
            transfer(f"{self.place.address}/{key}", opener, path, sums, self.terms)
        except NotFetched as error:
            raise _explain(self.place, self.manifest, name, key, error) from None


def _explain(place: Place, manifest: Manifest, name: str, key: str, error: NotFetched) -> UserError:
    where = f"{place.address}/{key}"
    if error.reason in ("wrong-sha256", "wrong-size"):
        return UserError(
            f"{where} is damaged ({name} of {manifest.label})", why=error.why,
            next_command="remove that object and have the product published again, or take "
            "another version",
        )  # fmt: skip
    if error.reason == "not-found":
        return UserError(
            f"{where} is gone ({name} of {manifest.label})", why=error.why,
            next_command="have the product published again: it sends what is missing",
        )  # fmt: skip
    return UserError(
        f"{where} could not be fetched ({name} of {manifest.label})", why=error.why,
        next_command="give the same command again: it goes on where this one stopped",
    )  # fmt: skip


def _remove_strangers(folder: Path, manifest: Manifest) -> None:
    """Remove what an attempt at another version left: a folder that is whole holds nothing else."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in manifest.files:
            path.unlink()


def check_folder(folder: Path, manifest: Manifest) -> None:
    """UserError where a folder is not this version, whole."""
    there = read_own(folder) if (folder / OWN).is_file() else None
    if there is None or there.content_sha256 != manifest.content_sha256:
        raise UserError(
            f"{folder} exists and is {'not an artifact' if there is None else there.label}",
            why=f"{manifest.label} would be brought there",
            next_command="name another folder with --to, or move this one away",
        )
    for name, content in manifest.files.items():
        path = folder / name
        if not Sums(sha256=content.sha256, size=content.bytes).hold(path):
            raise UserError(
                f"{path} is damaged or missing", why=f"it is not the file of {manifest.label}",
                next_command=f"move {folder} away and get it again",
            )  # fmt: skip


def read_own(folder: Path) -> Manifest:
    """The manifest of a folder that was fetched; UserError where it holds none."""
    path = folder / OWN
    if not path.is_file():
        raise UserError(
            f"{folder} is no artifact that was fetched", why=f"it holds no {OWN}",
            next_command="biomedgpt get ADDRESS",
        )  # fmt: skip
    return parse_manifest(path.read_bytes(), str(path))
