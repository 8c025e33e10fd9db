"""Get a published version: each file checked, resumed where it broke off, whole or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from components.acquire.transfer import NotFetched, Sums, Terms, transfer
from components.artifacts.address import Address
from components.artifacts.manifest import OWN, Content, Manifest, parse_manifest
from components.artifacts.places import Place, open_place
from components.artifacts.versions import find_version, object_key
from components.errors import UserError
from components.storage_advice import advise

DAMAGED = ("wrong-sha256", "wrong-size", "too-large")  # larger than its manifest says
AGAIN = "give the same command again: it goes on where this one stopped"
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
    if not folder.exists():
        fetcher = _Fetcher(place, manifest, terms or Terms(), tell)
        with hold_folder(folder):
            if not folder.exists():  # another one may have brought it a moment ago
                fetcher.bring_all(folder)
                return folder, manifest
    check_folder(folder, manifest)
    return folder, manifest


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Let nobody else bring something into a folder; UserError where another one is about it.

    The operating system lets go of the lock when its process ends, however that happens.
    """
    lock = folder.with_name(f"{folder.name}{UNFINISHED}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
            lock.unlink(missing_ok=True)  # whoever comes now finds the folder
    except Timeout:
        raise UserError(
            f"another command is bringing something into {folder}",
            why=f"it holds {lock}",
            next_command="wait until it has ended, then the same again; or name another folder "
            "with --to",
        ) from None


@dataclass(frozen=True, slots=True)
class _Fetcher:
    place: Place
    manifest: Manifest
    terms: Terms
    tell: Callable[[str], None]

    def bring_all(self, folder: Path) -> None:
        """Bring every file; ``folder`` is there when all are."""
        unfinished = folder.with_name(folder.name + UNFINISHED)
        for name, content in self.manifest.files.items():
            self.bring(name, content, unfinished / name)
        _remove_strangers(unfinished, self.manifest)
        (unfinished / OWN).write_bytes(self.manifest.dump())
        unfinished.replace(folder)

    def bring(self, name: str, content: Content, path: Path) -> None:
        """Bring a file, unless it is there and right."""
        sums = Sums(sha256=content.sha256, size=content.bytes)
        if sums.hold(path):
            return
        key = object_key(content.sha256)
        self.tell(f"fetches {name}, {content.bytes:,} bytes")
        try:
            opener = partial(self.place.open, key)
            terms = replace(self.terms, max_bytes=content.bytes)  # no more than was promised
            transfer(f"{self.place.address}/{key}", opener, path, sums, terms)
        except NotFetched as error:
            raise _explain(self.place, self.manifest, name, key, error) from None


def _explain(place: Place, manifest: Manifest, name: str, key: str, error: NotFetched) -> UserError:
    where = f"{place.address}/{key}"
    if error.reason in DAMAGED:
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
        next_command=advise(error.why, AGAIN),
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
