"""Raw files of one's own in a bucket: a folder for each data set, named and laid out as on a disk.

They arrive under data/downloads, as what is fetched from elsewhere does, and stay there: what was
whole once is not fetched again while the bucket's checksum tells the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

from components.acquire.parallel import Haul, fetch_all
from components.acquire.place import check_content
from components.acquire.stored import PatientBucket, is_file_name
from components.acquire.transfer import NotFetched, Terms
from components.cards import ACCESS_NOTES, OWN_FILES, RESTRICTED, Card
from components.errors import UserError
from components.records import Reject
from components.storage import S3, Bucket, StoredObject, split_address
from components.storage_advice import advise, refusals_advised

ATTEMPTS = 3  # of one request; a transfer that breaks off goes on besides
AGAIN = "the same command again: what has arrived stays, and it goes on from there"
LOCAL = "bring them to a disk that their terms allow, and name its folder as acquire.root"
Objects = dict[str, StoredObject]  # by their paths below the data set's folder


def is_bucket(root: str) -> bool:
    """Whether ``acquire.root`` names a bucket, and no folder."""
    return root.startswith(S3)


class BucketRoot:
    """What ``acquire.root: s3://bucket/prefix`` holds. UserError for all that goes wrong there."""

    def __init__(self, address: str, *, attempts: int = ATTEMPTS, timeout_s: float = 60.0) -> None:
        name, self.prefix = split_address(address)
        if not name or "@" in name:  # credentials stand in the environment
            raise UserError(
                "acquire.root is no address of a bucket", next_command="write s3://BUCKET/PREFIX"
            )
        self.address = f"{S3}{name}/{self.prefix}".rstrip("/")
        with refusals_advised(f"{self.address} could not be opened"):
            self.bucket = Bucket(name, attempts=attempts, timeout_s=timeout_s)

    def describe(self) -> str:
        """A hash over name, size and ETag of every object; UserError where there is none.

        DVC follows params.yaml and not the bucket: with this it notices that raw files changed.
        """
        found = self._list("")
        if not found:
            raise UserError(
                f"{self.address} holds nothing",
                next_command=f"aws s3 sync FOLDER {self.address}, or name another prefix",
            )
        lines = (f"{stored.key}\0{stored.size}\0{stored.etag}\n" for stored in found)
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]

    def check(self) -> None:
        """UserError where the bucket cannot be listed; it is asked once."""
        _ = self._folders

    def find(self, card: Card) -> tuple[str, Objects]:
        """The card's folder that holds what is required, and the objects of its roles.

        UserError where none does, and for records that may not be copied from where they are.
        """
        _check_terms(card, self.address)
        fault = None
        for name in card.folders:
            there = name.split("/")[0] in self._folders
            objects = self._list_below(f"{name}/") if there else {}
            if not objects:
                continue
            place = f"{self.address}/{name}"
            try:
                return place, match_roles(card, place, objects)
            except UserError as error:
                fault = fault or error
        raise fault or card.missing([f"{self.address}/{name}" for name in card.folders], "raw")

    def fetch(self, card: Card, store: Path, workers: int, terms: Terms) -> Haul:
        """Bring the objects of the card's roles under ``store``, several at a time.

        A name that can be no path here is an item that was lost. UserError where any object cannot
        be had: what has arrived stays, and the next run goes on from there.
        """
        place, objects = self.find(card)
        patient = PatientBucket(self.bucket, terms)
        unsafe = {name for name in objects if not all(map(is_file_name, name.split("/")))}

        def bring(name: str) -> Haul:
            try:
                path = patient.fetch(objects[name], store / name)
            except NotFetched as error:
                raise _explain(f"{place}/{name}", error) from None
            check_content(card, path, name)
            return Haul(1, [path])

        rejects = [Reject(f"{place}/{name}", "unsafe-name") for name in sorted(unsafe)]
        haul = Haul(len(rejects), rejects=rejects)
        named = [name for name in sorted(objects) if name not in unsafe]
        haul.add(fetch_all(f"acquire {card.name}", named, bring, workers))
        return haul

    @cached_property
    def _folders(self) -> frozenset[str]:
        with refusals_advised(f"{self.address} could not be listed"):
            found = self.bucket.folders(self.prefix)
        return frozenset(name.removeprefix(self.prefix).rstrip("/") for name in found)

    def _list_below(self, folder: str) -> Objects:
        begin = len(self.prefix + folder)
        return {stored.key[begin:]: stored for stored in self._list(folder)}

    def _list(self, folder: str) -> list[StoredObject]:
        """Objects below a folder, without those that consoles make for folders themselves."""
        with refusals_advised(f"{self.address}/{folder} could not be listed"):
            found = self.bucket.objects(self.prefix + folder)
        return [stored for stored in found if not stored.key.endswith("/")]


def _check_terms(card: Card, address: str) -> None:
    access = card.source.access
    if access in RESTRICTED:
        raise UserError(
            f"{card.title} (data/cards/{card.name}.yaml) is not fetched from {address}",
            why=f"access: {access}, {ACCESS_NOTES[access]}. Such records are read where they are, "
            "from a folder, and nothing here makes copies of them",
            next_command=LOCAL,
        )


def _explain(place: str, error: NotFetched) -> UserError:
    return UserError(
        f"{place} was not fetched",
        why=error.why,
        next_command=advise(error.why, AGAIN),
    )


def match_roles(card: Card, place: str, objects: Objects) -> Objects:
    """The objects of every role, as ``Card.find`` finds files; UserError where they are missing."""
    found: Objects = {}
    for role, files in card.files.items():
        named = next(filter(None, (match(pattern, objects) for pattern in files.patterns)), [])
        if not named and files.required:
            raise card.missing([f"{place}/{pattern}" for pattern in files.patterns], role)
        found |= {name: objects[name] for name in named}
    if not found:
        patterns = [f"{place}/{p}" for files in card.files.values() for p in files.patterns]
        raise card.missing(patterns, "raw")
    return found


def match(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a pattern means, as pathlib's ``glob`` means it: ``**`` is any folders."""
    wanted = PurePosixPath(pattern).parts
    found = ((name, name.split("/")) for name in names)
    return [name for name, parts in found if parts[-1] not in OWN_FILES and _fits(parts, wanted)]


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":  # any number of folders; the name itself is left
        return any(_fits(parts[begin:], wanted[1:]) for begin in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])
