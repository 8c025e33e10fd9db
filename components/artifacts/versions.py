"""What a place holds: names, their versions, and the manifest of each."""

from __future__ import annotations

import re

from components.artifacts.address import NAME, Address
from components.artifacts.manifest import Manifest, parse_manifest
from components.artifacts.places import Place
from components.errors import UserError

VERSIONS = "artifacts/"
KEY = re.compile(rf"artifacts/({NAME.pattern})/v([1-9][0-9]{{0,8}})\.json")


def object_key(sha256: str) -> str:
    """Where a content lies; folders by two letters keep any of them small."""
    return f"objects/{sha256[:2]}/{sha256}"


def manifest_key(name: str, version: int) -> str:
    """Where the manifest of a version lies."""
    return f"{VERSIONS}{name}/v{version}.json"


def list_names(place: Place) -> dict[str, list[int]]:
    """Every name with its versions, oldest first; files of other names are no versions."""
    found: dict[str, list[int]] = {}
    for key in place.sizes(VERSIONS):
        if match := KEY.fullmatch(key):
            found.setdefault(match[1], []).append(int(match[2]))
    return {name: sorted(versions) for name, versions in sorted(found.items())}


def list_versions(place: Place, name: str) -> list[int]:
    """The versions of a name, oldest first; none of a name that is not there."""
    keys = place.sizes(f"{VERSIONS}{name}/")
    found = [match for key in keys if (match := KEY.fullmatch(key)) and match[1] == name]
    return sorted(int(match[2]) for match in found)


def read_version(place: Place, name: str, version: int) -> Manifest:
    """The manifest of a version; UserError where it is not there, damaged, or another's."""
    key = manifest_key(name, version)
    content = place.read(key)
    where = f"{place.address}/{key}"
    if content is None:
        raise UserError(
            f"{where} is not there", why="a version is what has a manifest, which is written last",
            next_command=f"biomedgpt artifacts list {place.address}",
        )  # fmt: skip
    manifest = parse_manifest(content, where)
    if (manifest.name, manifest.version) != (name, version):
        raise UserError(
            f"{where} is the manifest of {manifest.label}", why="somebody moved or copied it",
            next_command=f"biomedgpt get {place.address}/{manifest.label}",
        )  # fmt: skip
    return manifest


def find_version(place: Place, address: Address) -> Manifest:
    """The manifest that an address means; UserError with the names or versions there are."""
    versions = list_versions(place, address.name)
    if not versions:
        known = ", ".join(list_names(place)) or "nothing is published there"
        raise UserError(
            f"there is no {address.name} at {place.address}", why=f"known: {known}",
            next_command=f"biomedgpt artifacts list {place.address}",
        )  # fmt: skip
    if address.version and address.version not in versions:
        raise UserError(
            f"{place.address} has no {address.name}@v{address.version}",
            why="there are " + ", ".join(f"v{number}" for number in versions),
            next_command=f"biomedgpt get {place.address}/{address.name}@v{versions[-1]}",
        )
    return read_version(place, address.name, address.version or versions[-1])
