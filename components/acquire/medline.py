"""NLM's files of PubMed citations, from its listings over HTTPS.

https://ftp.ncbi.nlm.nih.gov/pubmed/ holds ``baseline/`` (all of PubMed, once a year) and
``updatefiles/`` (daily), each a directory page with links to ``pubmed26n0001.xml.gz`` and to
``pubmed26n0001.xml.gz.md5``, which reads ``MD5(pubmed26n0001.xml.gz)= ...``. Files are numbered
through from the first of the baseline to the last update.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from components.acquire.download import Web
from components.acquire.parallel import Haul, fetch_all
from components.acquire.transfer import NotFetched, Sums
from components.config import MedlineParams
from components.errors import UserError

NAMED = re.compile(r"(?:pubmed|medline)(\d\d)n(\d{4,9})\.xml\.gz")
MD5 = re.compile(r"\b[0-9a-f]{32}\b")
LARGEST_MD5_FILE = 1 << 12


@dataclass(frozen=True, slots=True, order=True)
class MedlineFile:
    """One file of a listing, in NLM's order: by the year of its baseline, then by its number."""

    year: int
    number: int
    folder: str
    name: str


def fetch_medline(url: str, wanted: MedlineParams, store: Path, web: Web, workers: int) -> Haul:
    """The chosen files and their checksums, under ``store`` as under ``url``.

    A file without a checksum, or with another, is lost. One that is there and right is not
    fetched again. UserError where the listings have nothing of what was chosen.
    """
    base = url.rstrip("/")
    listed = [
        file
        for folder in wanted.folders
        for file in read_listing(web.read(f"{base}/{folder}/").decode("utf-8", "replace"), folder)
    ]
    chosen = choose(listed, wanted)
    if not chosen:
        there = f"{min(listed).name} to {max(listed).name}" if listed else "no file"
        raise UserError(
            f"{base}/: nothing fits acquire.medline",
            why=f"the listings of {', '.join(wanted.folders)} hold {there}",
            next_command="change acquire.medline in params.yaml",
        )

    def fetch(file: MedlineFile) -> Haul:
        path = store / file.folder / file.name
        beside = path.with_name(path.name + ".md5")
        page = web.read(f"{base}/{file.folder}/{beside.name}")
        sums = Sums(md5=read_md5(page, file.name))
        web.fetch(f"{base}/{file.folder}/{file.name}", path, sums)
        beside.unlink(missing_ok=True)  # it may be linked elsewhere, and must not change there
        beside.write_bytes(page)
        return Haul(1, [path, beside])

    return fetch_all("acquire pubmed", chosen, fetch, workers)


def read_listing(page: str, folder: str) -> list[MedlineFile]:
    """The citation files that a directory page links to, in NLM's order."""
    links = _Links()
    links.feed(page)
    found = set()
    for link in links.found:
        name = link.partition("?")[0].rpartition("/")[2]
        if match := NAMED.fullmatch(name):
            found.add(MedlineFile(int(match.group(1)), int(match.group(2)), folder, name))
    return sorted(found)


def choose(listed: list[MedlineFile], wanted: MedlineParams) -> list[MedlineFile]:
    """The files of a year (0: the newest that every folder has), a range, the last few of each."""
    newest = [
        max(f.year for f in listed if f.folder == name) for name in {f.folder for f in listed}
    ]
    year = wanted.year or min(newest, default=0)
    fitting = [
        file
        for file in sorted(listed)
        if file.year == year
        and wanted.first <= file.number
        and (wanted.last == 0 or file.number <= wanted.last)
    ]
    chosen = []
    for folder in dict.fromkeys(file.folder for file in fitting):
        own = [file for file in fitting if file.folder == folder]
        chosen += own[-wanted.newest :] if wanted.newest else own
    return sorted(chosen)


def read_md5(page: bytes, name: str) -> str:
    """The checksum that a file of NLM's states for ``name``; NotFetched where it does not."""
    text = page[:LARGEST_MD5_FILE].decode("ascii", "replace").lower()
    sums: set[str] = set(MD5.findall(text))
    names = set(NAMED.findall(text)) - set(NAMED.findall(name))
    if len(sums) != 1 or names:
        raise NotFetched(name, "no-checksum", f"its .md5 reads {text[:100]!r}")
    return sums.pop()


class _Links(HTMLParser):
    """The links of a page, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]
