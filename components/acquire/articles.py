"""Articles of PMC with their figures: which are wanted, and how they come from the bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from lxml import etree

from components.acquire.image_urls import find_figure, read_image_urls
from components.acquire.parallel import Haul, fetch_all, fetch_one, lost
from components.acquire.pmc_bucket import ArticleVersion, PmcBucket, read_md5s
from components.acquire.stored import is_file_name
from components.acquire.transfer import NotFetched
from components.config import PmcParams
from components.errors import UserError
from components.pubmed.article_sets import NoArticleError, cut_articles
from components.pubmed.figures import list_graphics
from components.pubmed.inflate import Damaged
from components.records import Reject

LINE = re.compile(r"(?:PMC)?(\d{1,12})(?:\.(\d{1,9}))?", re.IGNORECASE | re.ASCII)
HREF = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An article: its version, None for the newest, and its figures by name, None for all."""

    pmcid: str
    version: int | None
    figures: tuple[str, ...] | None


def fetch_articles(settings: PmcParams, store: Path, bucket: PmcBucket, workers: int) -> Haul:
    """The articles of the list, else the first of the inventory, under ``store``.

    Each lies in a folder like its prefix in the bucket: ``PMC123.2/PMC123.2.xml``, ``.json``, and
    the figures. Articles and figures are the items; a line that names no article is one as well.
    UserError where the list is missing or names nothing.
    """
    wanted, rejects = _list_wanted(settings, store, bucket)
    # the versions of an article one after the other: two threads never write the same file
    articles = [list(same) for _, same in groupby(sorted(wanted, key=_by_article), _pmcid)]

    def fetch(same: list[Wanted]) -> Haul:
        haul = Haul()
        for one in same:
            haul.add(fetch_one(lambda wanted: fetch_article(wanted, store, bucket), one))
        return haul

    whole = Haul(len(rejects), rejects=rejects)
    whole.add(fetch_all("acquire pmc_oa", articles, fetch, workers))
    return whole


def fetch_article(wanted: Wanted, store: Path, bucket: PmcBucket) -> Haul:
    """One article and its figures. NotFetched where the article cannot be had."""
    version = _choose(wanted, bucket)
    folder = store / version.stem
    metadata_file = folder / f"{version.stem}.json"
    metadata = bucket.fetch_metadata(version, metadata_file)
    md5s = read_md5s(metadata)
    name = f"{version.stem}.xml"
    if name not in version.files:
        there = ", ".join(sorted(version.files)[:5])
        raise NotFetched(version.stem, "no-xml", f"its prefix holds {there}")
    text = bucket.fetch(version.files[name], folder / name, md5s.get(name, ""))
    haul = Haul(1, [metadata_file, text])
    figures = wanted.figures
    if figures is None:
        figures, fault = read_graphics(text, version.stem)
        haul.rejects += fault
        haul.num_in += len(fault)
    for figure in figures:
        haul.add(_fetch_figure(figure, version, folder, bucket, md5s))
    return haul


def read_graphics(text: Path, origin: str) -> tuple[tuple[str, ...], list[Reject]]:
    """The image files that ingestion will look for, in order, each once; or a Reject, why none."""
    names: dict[str, None] = {}
    try:
        for cut in cut_articles(text):
            if cut.element is None:
                return tuple(names), [Reject(f"{origin}/figures", "too-large", text.name)]
            names |= dict.fromkeys(list_graphics(cut.element))
    except (etree.XMLSyntaxError, NoArticleError, Damaged) as error:
        return tuple(names), [Reject(f"{origin}/figures", "broken-xml", str(error))]
    return tuple(names), []


def _pmcid(wanted: Wanted) -> str:
    return wanted.pmcid


def _by_article(wanted: Wanted) -> tuple[int, int]:
    return int(wanted.pmcid[3:]), wanted.version or 0


def _choose(wanted: Wanted, bucket: PmcBucket) -> ArticleVersion:
    versions = bucket.versions(wanted.pmcid)
    if not versions:
        raise NotFetched(wanted.pmcid, "not-in-bucket", "nothing is stored under its number")
    number = max(versions) if wanted.version is None else wanted.version
    if number not in versions:
        there = ", ".join(map(str, sorted(versions)))
        raise NotFetched(f"{wanted.pmcid}.{number}", "no-such-version", f"there are {there}")
    return versions[number]


def _fetch_figure(
    name: str, version: ArticleVersion, folder: Path, bucket: PmcBucket, md5s: dict[str, str]
) -> Haul:
    stored = find_figure(name, version)
    if stored is None:
        return Haul(1, rejects=[Reject(f"{version.stem}/{name}", "figure-not-in-bucket")])
    file = stored.key.rsplit("/", 1)[-1]
    try:
        return Haul(1, [bucket.fetch(stored, folder / file, md5s.get(file, ""))])
    except NotFetched as error:
        return Haul(1, rejects=[lost(error)])


def _list_wanted(
    settings: PmcParams, store: Path, bucket: PmcBucket
) -> tuple[list[Wanted], list[Reject]]:
    most = settings.num_articles or None
    figures = None if settings.figures == "all" else ()
    if not settings.articles:
        ids = islice(bucket.inventory(store / "inventory"), most)
        return [Wanted(pmcid, None, figures) for pmcid in ids], []
    path = Path(settings.articles)
    if not path.is_file():
        raise UserError(
            f"acquire.pmc.articles: {path} is not a file",
            next_command="name a file with a PMCID per line, or leave it empty",
        )
    wanted, rejects = read_wanted(path, figures)
    if not wanted:
        raise UserError(f"acquire.pmc.articles: {path} names no article")
    return wanted[:most], rejects


def read_wanted(path: Path, figures: tuple[str, ...] | None) -> tuple[list[Wanted], list[Reject]]:
    """The articles of a list, each version once, in its order; and what is no article.

    A line is ``PMC123`` or ``PMC123.2``, then the names of its figures if only these are wanted;
    ``figures`` stands where there are none. A file ``.jsonl`` is one of addresses of packages
    (components/acquire/image_urls.py), of which the figures that it names are wanted.
    """
    items = _read_urls(path) if path.suffix == ".jsonl" else _read_lines(path, figures)
    found: dict[tuple[str, int | None], dict[str, None] | None] = {}
    rejects = []
    for item in items:
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        key = (item.pmcid, item.version)
        known = found.setdefault(key, {})
        if item.figures is None or known is None:
            found[key] = None
        else:
            known.update(dict.fromkeys(item.figures))
    return [
        Wanted(*key, names if names is None else tuple(names)) for key, names in found.items()
    ], rejects


def _read_urls(path: Path) -> Iterator[Wanted | Reject]:
    for _, item in read_image_urls(path):
        yield item if isinstance(item, Reject) else Wanted(item.pmcid, None, (item.file,))


def _read_lines(path: Path, figures: tuple[str, ...] | None) -> Iterator[Wanted | Reject]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            match = LINE.fullmatch(words[0])
            if match is None or not all(map(is_file_name, words[1:])):
                yield Reject(f"{path.name}#{number}", "not-an-article", line.strip()[:200])
                continue
            version = int(match.group(2)) if match.group(2) else None
            named = tuple(words[1:])
            yield Wanted(f"PMC{int(match.group(1))}", version, named or figures)
