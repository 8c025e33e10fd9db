"""Publish a product: its contents first, and last the manifest that makes a version of them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from components.artifacts.address import Address
from components.artifacts.bundle import TOLD, find_kind, gather_files
from components.artifacts.circumstances import describe_circumstances
from components.artifacts.manifest import Content, Manifest, ProductFacts, hash_contents
from components.artifacts.permission import check_permission, list_sources
from components.artifacts.places import Place, open_place
from components.artifacts.versions import list_versions, manifest_key, object_key, read_version
from components.config import Params
from components.errors import UserError
from components.lineage import hash_file
from components.redaction import holds_secret
from components.report.terms import TERMS
from components.tracing.products import Product, Products
from components.tracing.retractions import count_retractions

NAMED = ("source", "size", "dataset")  # of an identity, in this order
MOST_PUBLISHERS = 100  # that may be before us while we try


@dataclass(frozen=True, slots=True)
class Published:
    """A version, whether it was there before, and how much had to be sent."""

    manifest: Manifest
    is_new: bool
    num_sent: int


def publish(
    product_path: Path,
    address: Address,
    products: Products,
    params: Params,
    tell: Callable[[str], None] = lambda _: None,
) -> Published:
    """Publish a product under the next free version of a name.

    Where the newest version holds the very same files, that one is returned; of its contents only
    what is missing is sent. What an interrupted attempt has sent is not sent again. UserError where
    the product may not be handed on, is damaged, holds a secret in what is told of it, or was made
    of what is no longer here; and where a version is asked for.
    """
    if address.version:
        raise UserError(
            f"{address}: a version cannot be chosen", why="each publication is the next one",
            next_command=f"publish to {address.place}/{address.name}",
        )  # fmt: skip
    product = products.find(product_path.as_posix())
    kind = find_kind(product)
    _check_origin(products, product)
    check_permission(kind, products, product.path)
    place = open_place(address.place)
    place.check()
    with tempfile.TemporaryDirectory() as scratch, _removals_told(product_path):
        files = gather_files(product, params, Path(scratch))
        contents = {
            name: Content(bytes=path.stat().st_size, sha256=hash_file(path))
            for name, path in files.items()
        }
        newest = _read_newest(place, address.name)
        draft = _describe(address.name, product, products, params, contents)
        _check_secrets(draft, files)
        num_sent = _send(place, files, contents, tell)
        if newest and newest.content_sha256 == draft.content_sha256:
            return Published(newest, is_new=False, num_sent=num_sent)
    before = newest.version if newest else 0
    return Published(_claim(place, draft, before), is_new=True, num_sent=num_sent)


def _check_origin(products: Products, product: Product) -> None:
    """UserError where what formed a product cannot be told from what lies here."""
    for one in [product, *products.list_before(product.path)]:
        changed = products.list_changed(one.path)
        if changed:
            raise UserError(
                f"{one.path} was made of another {changed[0]} than the one that is here",
                why="its sources, licences and retractions cannot be told from it",
                next_command="dvc repro, then publish",
            )
        absent = [name for name in one.inputs if name.startswith("data/")
                  and not Path(name).exists()]  # fmt: skip
        if absent:
            raise UserError(
                f"{absent[0]}, of which {one.path} was made, is not here",
                why="whether it may be published follows from all that formed it",
                next_command=f"dvc pull {absent[0]}, or dvc repro",
            )


def _check_secrets(draft: Manifest, files: Mapping[str, Path]) -> None:
    """UserError where what is told of a product, by the manifest or beside it, holds a secret."""
    told = {"its manifest": draft.dump().decode()}
    told |= {name: files[name].read_text("utf-8") for name in TOLD if name in files}
    for name, text in told.items():
        if holds_secret(text):
            raise UserError(
                f"{draft.product.path} is not published: {name} holds what looks like a secret",
                why="who reads the place would have it",
                next_command="take it out of params.yaml or the card, and run the stage again; "
                "secrets belong in the environment",
            )


def _describe(
    name: str,
    product: Product,
    products: Products,
    params: Params,
    contents: Mapping[str, Content],
) -> Manifest:
    manifest, kind = product.manifest, find_kind(product)
    identity = manifest["identity"]
    sources = list_sources(products, product.path, records=kind != "model")
    terms = {term for source in sources for term in source.terms}
    before = products.list_before(product.path)
    return Manifest(
        format=1,
        name=name,
        version=1,
        kind=kind,
        title=" ".join([product.stage, *(identity[key] for key in NAMED if key in identity)]),
        files=dict(contents),
        content_sha256=hash_contents(dict(contents)),
        licence=next((term for term in TERMS if term in terms), "none: all of it is made up"),
        access=manifest["access"],
        sources=sources,
        retractions=count_retractions([product, *before]),
        product=ProductFacts(
            path=product.path,
            stage=product.stage,
            identity=identity,
            sha256=product.sha256,
            code_sha256=manifest["code_sha256"],
            package=manifest["version"],
            settings=manifest["settings"],
            formed_by={one.path: one.sha256 for one in before},
        ),
        circumstances=describe_circumstances(product, params),
    )


def _read_newest(place: Place, name: str) -> Manifest | None:
    versions = list_versions(place, name)
    return read_version(place, name, versions[-1]) if versions else None


def _send(
    place: Place,
    files: Mapping[str, Path],
    contents: Mapping[str, Content],
    tell: Callable[[str], None],
) -> int:
    """Store what is not there yet, the smallest first; how many objects these were."""
    num_sent = 0
    for name, content in sorted(contents.items(), key=lambda item: item[1].bytes):
        key = object_key(content.sha256)
        if place.sizes(key).get(key) == content.bytes:
            continue
        tell(f"sends {name}, {content.bytes:,} bytes")
        with _opened(files[name], content) as file:
            place.put(file, key)
        num_sent += 1
    return num_sent


@contextmanager
def _opened(path: Path, content: Content) -> Iterator[BinaryIO]:
    """A file that was hashed a moment ago; UserError where it is another by now.

    A stage that makes it anew writes another file under its name, and none into this one.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != content.sha256:
            raise _remade(path)
        file.seek(0)
        yield file


@contextmanager
def _removals_told(product_path: Path) -> Iterator[None]:
    """What DVC removes before it has a stage make it anew, in words."""
    try:
        yield
    except FileNotFoundError as gone:
        raise _remade(Path(gone.filename or product_path)) from None


def _remade(path: Path) -> UserError:
    return UserError(
        f"{path} was removed or made anew while it was read",
        why="a stage, or another command, works here at the same time",
        next_command="wait until it has ended, then publish",
    )


def _claim(place: Place, draft: Manifest, number: int) -> Manifest:
    """Write the manifest under the next version after ``number`` that is free; others may be
    publishing as well, and of those who publish the very same at once, all get one version."""
    for _ in range(MOST_PUBLISHERS):
        number += 1
        manifest = draft.model_copy(update={"version": number})
        key, content = manifest_key(draft.name, number), manifest.dump()
        # asked twice where an answer was lost, the server says that it is there: it is ours
        if place.create(content, key) or place.read(key) == content:
            return manifest
    raise UserError(
        f"no version of {draft.name} could be had at {place.address}",
        why=f"{MOST_PUBLISHERS} others were each a moment earlier",
        next_command="give the same command again",
    )
