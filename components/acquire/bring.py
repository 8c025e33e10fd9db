"""Raw files of a source by the mode of the settings: made, copied or fetched."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from components.acquire.articles import fetch_articles
from components.acquire.bucket_root import BucketRoot, is_bucket
from components.acquire.conversation_images import IMAGE_URLS, fetch_images
from components.acquire.download import LOOPBACK, Web
from components.acquire.medline import fetch_medline
from components.acquire.pace import pace_of
from components.acquire.parallel import Haul
from components.acquire.place import is_open, place_download, place_local, refer_local
from components.acquire.pmc_bucket import BUCKET, PmcBucket
from components.acquire.transfer import Budget, Terms
from components.cards import RESTRICTED, Card
from components.config import AcquireParams
from components.errors import UserError
from components.records import Reject
from components.storage import PublicBucket

DOWNLOADS = Path("data/downloads")  # kept between runs: DVC empties data/raw before each


def bring(
    card: Card,
    settings: AcquireParams,
    folder: Path,
    downloads: Path = DOWNLOADS,
    *,
    allow_loopback: bool = False,
) -> Haul:
    """Copy or fetch the files of one source into ``folder``; what came, and what was lost.

    Records that may not be handed on are not copied: ``folder`` says where they are.

    What is fetched arrives under ``downloads`` and stays there, so that no run fetches anew what
    another one had whole, and is linked to ``folder``. ``allow_loopback`` is for tests.
    UserError where nothing can be had, where disk or budget are spent, and for wrong settings.
    """
    store = downloads / card.name
    fetchable = card.name in FETCHERS or is_open(card) or not settings.root
    if settings.mode == "download" and fetchable:
        haul = FETCHERS.get(card.name, _fetch_listed)(card, settings, store, allow_loopback)
        haul.files = link_files(haul.files, store, folder)
    else:
        haul = _take(card, settings, folder, store)
    if settings.images and IMAGE_URLS in card.files:
        bucket = open_bucket(settings, store, allow_loopback)
        images = fetch_images(card, folder, store, bucket, settings.workers)
        images.files = link_files(images.files, store, folder)
        haul.add(images)
    return haul


def _take(card: Card, settings: AcquireParams, folder: Path, store: Path) -> Haul:
    """What the user has: copied from a folder, or only referred to there; or from a bucket."""
    if is_bucket(settings.root):
        terms = make_terms(settings, store)
        whole = replace(terms, max_bytes=int(settings.max_gib * 2**30))  # of one file
        haul = BucketRoot(settings.root).fetch(card, store, settings.workers, whole)
        haul.files = link_files(haul.files, store, folder)
        return haul
    place = refer_local if card.source.access in RESTRICTED else place_local
    files = place(card, Path(settings.root), folder)
    return Haul(len(files), files)


def _fetch_listed(card: Card, _: AcquireParams, store: Path, _loopback: bool) -> Haul:
    files = place_download(card, store)
    return Haul(len(files), files)


def _fetch_pubmed(card: Card, settings: AcquireParams, store: Path, allow_loopback: bool) -> Haul:
    url = card.source.url
    host = urlsplit(url).hostname or ""
    web = Web(
        frozenset({host}),
        make_terms(settings, store),
        pace=pace_of(host),
        allow_loopback=allow_loopback,
    )
    return fetch_medline(url, settings.medline, store, web, settings.workers)


def _fetch_pmc(_: Card, settings: AcquireParams, store: Path, allow_loopback: bool) -> Haul:
    bucket = open_bucket(settings, store, allow_loopback)
    return fetch_articles(settings.pmc, store, bucket, settings.workers)


# Sources that are more than a list of files: the name of the card, and who fetches it.
FETCHERS: dict[str, Callable[[Card, AcquireParams, Path, bool], Haul]] = {
    "pubmed": _fetch_pubmed,
    "pmc_oa": _fetch_pmc,
}


def make_terms(settings: AcquireParams, store: Path) -> Terms:
    """The terms of one run's transfers, which all arrive in the folder ``store``."""
    store.mkdir(parents=True, exist_ok=True)
    return Terms(budget=Budget(int(settings.max_gib * 2**30), store))


def open_bucket(settings: AcquireParams, store: Path, allow_loopback: bool = False) -> PmcBucket:
    """PMC's bucket, on AWS or where the settings say; UserError for an address without https."""
    endpoint = settings.pmc.endpoint
    parts = urlsplit(endpoint)
    near = allow_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK
    if endpoint and not near and (parts.scheme != "https" or not parts.hostname):
        raise UserError(
            f"acquire.pmc.endpoint is {endpoint!r}",
            why="only https is spoken",
            next_command="give an address that begins with https://, or leave it empty for AWS",
        )
    terms = make_terms(settings, store)
    bucket = PublicBucket(
        BUCKET, endpoint=endpoint, timeout_s=terms.timeout_s, connections=settings.workers
    )
    return PmcBucket(bucket, terms)


def link_files(files: Iterable[Path], store: Path, folder: Path) -> list[Path]:
    """The same files under ``folder``, as links where the file system can, sorted."""
    placed = []
    for path in sorted(set(files)):
        target = folder / path.relative_to(store)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(path, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(path, target)
        placed.append(target)
    return placed


def tell_lost(rejects: list[Reject], num_in: int, report: Path) -> str:
    """One line on what was lost, and where each item stands with its reason."""
    reasons = Counter(reject.reason for reject in rejects)
    told = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common())
    return f"not to be had: {len(rejects)} of {num_in} ({told}); {report} names each"
