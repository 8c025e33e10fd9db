"""Units: the files that are read together, and by which reader. The unit is what is spread, what is
resumed, and what an update reads anew.

A citation file is a unit. Articles, which have a file each, are put together by their PMCIDs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from components.errors import UserError
from components.pubmed.raw_files import (
    find_article_files,
    find_citation_files,
    find_collections,
    find_unread,
)

Kind = Literal["citations", "bioc", "jats", "unread"]
NUMBERED = re.compile(r"(\d{2})n(\d+)", re.IGNORECASE)
PMCID = re.compile(r"PMC(\d{1,12})", re.IGNORECASE)
ARTICLES_PER_UNIT = 1000  # numbers, of which about half are in the Open Access subset


@dataclass(frozen=True, slots=True)
class Unit:
    """Files under ``root``, by their paths there; ``name`` is the path of what they give."""

    name: str
    kind: Kind
    root: Path
    files: tuple[str, ...]


def find_units(pubmed: Path, pmc: Path) -> list[Unit]:
    """Citation files oldest first, then articles, BioC's before JATS, which says more.

    Where two units hold the same article in the same version, the later one wins. Last comes what
    is not read though it may hold records, so that it is told. Raises UserError when neither folder
    holds anything that is read.
    """
    citations = sort_by_age(find_citation_files(pubmed))
    collections, articles = find_collections(pmc), find_article_files(pmc)
    names = [_relative(path, pubmed) for path in citations]
    units = [Unit(f"pubmed/{name}", "citations", pubmed, (name,)) for name in names]
    units += _group("bioc", pmc, collections)
    units += _group("jats", pmc, articles)
    if not units:
        raise UserError(
            f"no citations under {pubmed} and no articles under {pmc}",
            why="looked for *.xml, *.nxml and *.json; XML may be packed (.gz)",
            next_command="dvc repro acquire_sources",
        )
    units += _unread("pubmed", pubmed, citations)
    return [*units, *_unread("pmc", pmc, [*collections, *articles])]


def sort_by_age(citations: Iterable[Path]) -> list[Path]:
    """Citation files, oldest first: those without NLM's number, then by year and number.

    A file without a number (an answer of efetch) has no known age: it never overrides one that
    has.
    """

    def age(path: Path) -> tuple[int, int, str]:
        number = NUMBERED.search(path.name)
        year, count = (int(number.group(1)), int(number.group(2))) if number else (-100, -1)
        century = 1900 if year >= 60 else 2000  # of the first files, medline99 and the like
        return century + year, count, path.as_posix()

    return sorted(citations, key=age)


def is_dated(name: str) -> bool:
    """Whether a citation file has NLM's number, by which it is newer than those before it."""
    return NUMBERED.search(PurePosixPath(name).name) is not None


def _group(kind: Kind, root: Path, files: Iterable[Path]) -> list[Unit]:
    groups: dict[str, list[str]] = {}
    for path in files:
        name = _relative(path, root)
        groups.setdefault(_number_range(name), []).append(name)
    return [Unit(f"pmc/{kind}/{name}", kind, root, tuple(groups[name])) for name in sorted(groups)]


def _unread(name: str, root: Path, read: Iterable[Path]) -> list[Unit]:
    files = tuple(_relative(path, root) for path in find_unread(root, read))
    return [Unit(f"unread/{name}", "unread", root, files)] if files else []


def _number_range(name: str) -> str:
    """The thousand that the last PMCID in a path belongs to: PMC123456 -> PMC000000123xxx."""
    found = PMCID.findall(name)
    return f"PMC{int(found[-1]) // ARTICLES_PER_UNIT:09d}xxx" if found else "unnumbered"


def _relative(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix()
    if not name.isprintable():
        raise UserError(
            f"the file name {name!r} holds bytes that are no characters",
            why="origins of records name their file",
            next_command=f"rename it under {root}",
        )
    return name
