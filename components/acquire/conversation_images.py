"""The images of conversations, fetched from PMC's bucket by a list of addresses that are dead."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from components.acquire.image_urls import (
    IMAGES,
    LegacyFigure,
    find_figure,
    read_image_urls,
    read_record,
)
from components.acquire.parallel import Haul, fetch_all
from components.acquire.pmc_bucket import ArticleVersion, PmcBucket, read_md5s
from components.acquire.stored import is_file_name
from components.acquire.transfer import NotFetched
from components.cards import Card
from components.errors import UserError
from components.instructions.images import FOLDER, KEYS, name_images
from components.readers.json_rows import read_json_records
from components.records import Reject
from components.storage import StoredObject

IMAGE_URLS = (
    "image_urls"  # the role of the list, and the mark of a card whose images may be fetched
)


def fetch_images(card: Card, folder: Path, store: Path, bucket: PmcBucket, workers: int) -> Haul:
    """The images that the conversations in ``folder`` name and lack, under ``store``.

    Each comes to ``images/`` under the name that the conversations give it. ``image_keys.jsonl``
    says which object of the bucket it is, and its article's licence. An image that neither the
    card's list nor its conversation leads to, or that the bucket does not hold, is lost.
    UserError where there is no list and no conversation leads to its image.
    """
    lists = card.find(folder, IMAGE_URLS)
    figures, rejects = _look_up(_find_lacking(card, folder), lists)
    if rejects and not figures and not lists:
        raise UserError(
            f"{card.title} (data/cards/{card.name}.yaml): no list of addresses of its images",
            why="acquire.images is true, and the images are found by that list",
            next_command=card.source.how_to_get,
        )
    articles = [list(same) for _, same in groupby(figures, lambda item: item[0].pmcid)]
    keys: list[dict[str, Any]] = []

    def fetch(same: list[tuple[LegacyFigure, str]]) -> Haul:
        return _fetch_article(same, store, bucket, keys)

    whole = Haul(len(rejects), rejects=rejects)
    whole.add(fetch_all(f"acquire {card.name} images", articles, fetch, workers))
    if keys:
        whole.files.append(_write_keys(store / KEYS, keys))
    return whole


def _find_lacking(card: Card, folder: Path) -> dict[str, LegacyFigure | Reject]:
    """The images that are not there, by name, and where their own records lead.

    The pair of one that leads nowhere is its Reject's origin. Names that lead out of the folder
    are left to the stage that reads the conversations, which counts them.
    """
    lacking: dict[str, LegacyFigure | Reject] = {}
    for path in card.find(folder, "conversations"):
        for number, record in read_json_records(path, path.name):
            if isinstance(record, Reject):
                continue  # counted by the stage that reads the conversations
            for place, name in enumerate(name_images(record)):
                if not is_file_name(name) or (folder / FOLDER / name).is_file() or name in lacking:
                    continue
                own = {} if place else record  # what a record says of its figure is of the first
                lacking[name] = _look_inside(own, name, f"{path.name}#{number}")
    return lacking


def _look_inside(record: dict[str, Any], name: str, origin: str) -> LegacyFigure | Reject:
    pair = str(record.get("pair_id") or PurePosixPath(name).stem)
    found = read_record({"pair_id": pair, "image_file_path": record.get("graphic_ref")}, origin)
    return found if isinstance(found, LegacyFigure) else Reject(pair, "not-in-list")


def _look_up(
    lacking: dict[str, LegacyFigure | Reject], lists: list[Path]
) -> tuple[list[tuple[LegacyFigure, str]], list[Reject]]:
    """The figures of the images, those of an article side by side; and what nothing leads to."""
    unknown = {item.origin for item in lacking.values() if isinstance(item, Reject)}
    found: dict[str, LegacyFigure | Reject] = {}
    for path in lists if unknown else []:
        for pair, item in read_image_urls(path):
            if pair in unknown and not isinstance(found.get(pair), LegacyFigure):
                found[pair] = item
    figures, rejects = [], []
    for name, own in lacking.items():
        item = own if isinstance(own, LegacyFigure) else found.get(own.origin, own)
        if isinstance(item, LegacyFigure):
            figures.append((item, name))
        else:
            detail = f"{item.origin}: {item.detail}".rstrip(": ")
            rejects.append(Reject(f"{FOLDER}/{name}", item.reason, detail))
    return sorted(figures, key=lambda item: (int(item[0].pmcid[3:]), item[1])), rejects


def _fetch_article(
    same: list[tuple[LegacyFigure, str]],
    store: Path,
    bucket: PmcBucket,
    keys: list[dict[str, Any]],
) -> Haul:
    """The images of one article, from one listing of it."""
    haul = Haul(len(same))
    try:
        versions = bucket.versions(same[0][0].pmcid)
    except NotFetched as error:  # nothing is known of the article: not that it is not there
        haul.rejects += [_reject(figure, name, error) for figure, name in same]
        return haul
    for figure, name in same:
        try:
            path, key = _fetch_image(figure, store / FOLDER / name, versions, store, bucket)
            haul.files.append(path)
            keys.append(key)
        except NotFetched as error:
            haul.rejects.append(_reject(figure, name, error))
    return haul


def _reject(figure: LegacyFigure, name: str, error: NotFetched) -> Reject:
    detail = f"{figure.pmcid} {figure.file}: {error.why}"
    return Reject(f"{FOLDER}/{name}", error.reason, detail)


def _fetch_image(
    figure: LegacyFigure,
    path: Path,
    versions: dict[int, ArticleVersion],
    store: Path,
    bucket: PmcBucket,
) -> tuple[Path, dict[str, Any]]:
    version, stored = _choose(figure, versions)
    metadata = bucket.fetch_metadata(version, store / "metadata" / f"{version.stem}.json")
    file = stored.key.rsplit("/", 1)[-1]
    bucket.fetch(stored, path, read_md5s(metadata).get(file, ""))
    return path, {
        "image": path.name,
        "key": stored.key,
        "bytes": path.stat().st_size,
        "licence": metadata.get("license_code"),
        "retracted": metadata.get("is_retracted"),
    }


def _choose(
    figure: LegacyFigure, versions: dict[int, ArticleVersion]
) -> tuple[ArticleVersion, StoredObject]:
    """The newest version that has a figure of this very name, else one that means the same."""
    if not versions:
        raise NotFetched(figure.pmcid, "not-in-bucket", "nothing is stored under its number")
    newest_first = [versions[number] for number in sorted(versions, reverse=True)]
    for version in newest_first:
        if figure.file in version.files:
            return version, version.files[figure.file]
    for version in newest_first:
        stored = find_figure(figure.file, version)
        if stored:
            return version, stored
    there = ", ".join(name for name in newest_first[0].files if name.lower().endswith(IMAGES))
    why = f"the images of {newest_first[0].stem} are: {there[:300] or 'none'}"
    raise NotFetched(figure.pmcid, "figure-not-in-bucket", why)


def _write_keys(path: Path, keys: list[dict[str, Any]]) -> Path:
    lines = [json.dumps(key) for key in sorted(keys, key=lambda key: str(key["image"]))]
    path.unlink(missing_ok=True)  # it may be linked elsewhere, and must not change there
    path.write_text("\n".join(lines) + "\n")
    return path
