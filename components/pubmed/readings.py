"""Readings: a unit's files as Parquet, in a folder that says what they were read from.

``<folder>/<unit>/`` holds articles, figures and rejects, and last ``unit.json``. A unit whose files
have not changed since, nor the code that reads them, is not read again.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import UserError
from components.lineage import hash_bytes, hash_file
from components.pubmed.bioc import read_collection
from components.pubmed.figures import find_image, read_image
from components.pubmed.medline import read_citations
from components.pubmed.near_duplicates import BANDS, fingerprint
from components.pubmed.pmc import FullText, metadata_files, read_articles
from components.pubmed.raw_files import explain_unread
from components.pubmed.shards import (
    ARTICLES,
    FIGURES,
    REJECTS,
    Shard,
    complete,
    open_shard,
    row_groups,
)
from components.pubmed.units import Unit
from components.records import Figure, Reject

REPORT = "unit.json"
BATCH_CHARS = 1 << 20  # of articles that become rows together
MAX_CHARS = 8 << 20  # of one article and its figures, each of which repeats what mentions it
# The modules of this room that do not decide what a file's reading is.
AFTER_READING = frozenset({
    "corpus", "judging", "near_duplicates", "outcome", "retractions", "rows", "units", "__init__",
})  # fmt: skip
LEANS_ON = ("records.py", "readers/images.py")
LIBRARIES = ("lxml", "pillow", "polars", "pyarrow", "xml2arrow")
SHARDS = ("articles", "figures", "rejects")


@dataclass(frozen=True, slots=True)
class Report:
    """What a unit's reading came from, and what it gave.

    ``files`` are the unit's, in the order of reading. ``inputs`` maps each file, and each that
    would matter if it were there, to its sha256 or ""; and each folder where images are looked for
    to a hash of its names. ``deletions`` are the (PMID, version) that a citation file withdraws.
    ``error`` says why a file gave nothing at all.
    """

    reader: str
    files: list[str]
    inputs: dict[str, str]
    num_in: int
    deletions: list[tuple[str, int]]
    error: str


class _Writer:
    """The shards of one unit, and what goes into its report."""

    def __init__(self, unit: Unit, max_image_pixels: int, stack: ExitStack, folder: Path) -> None:
        def shard(name: str, schema: pa.Schema) -> Shard:
            return stack.enter_context(open_shard(folder / f"{name}.parquet", schema))

        self.unit, self.max_image_pixels = unit, max_image_pixels
        self.articles, self.figures = shard("articles", ARTICLES), shard("figures", FIGURES)
        self.rejects = shard("rejects", REJECTS)
        self.inputs: dict[str, str] = {}
        self.deletions: list[tuple[str, int]] = []

    def add_rejects(self, rejects: Iterable[Reject]) -> None:
        self.rejects.add(pl.DataFrame([asdict(r) for r in rejects], schema=pl.Schema(REJECTS)))

    def note(self, path: Path) -> None:
        """Remember what a path under the root holds, or that nothing is there."""
        # Links are not resolved: DVC may have made one of every file.
        name = os.path.relpath(path, self.unit.root)
        if not name.startswith("..") and name not in self.inputs:  # what lies elsewhere is not read
            self.inputs[name] = _hash(path)


def read_unit(unit: Unit, folder: Path, max_image_pixels: int, near_duplicates: bool) -> Report:
    """Read a unit into ``folder``, unless what lies there was read from the same by the same code.

    With ``near_duplicates`` the fingerprints of the texts are kept as well. An unreadable file
    gives a report with an error, so that the others are read.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps 30 MB of what is freed
    own = folder / unit.name
    held = read_report(own)
    reader = hash_bytes(f"{hash_reader()} {max_image_pixels}".encode())
    if held is None or held.reader != reader or held.error or not _is_current(unit, held):
        shutil.rmtree(own, ignore_errors=True)
        held = _read(unit, own, reader, max_image_pixels)
    if near_duplicates and not bands_path(own).exists():
        _write_fingerprints(own)
    return held


def _read(unit: Unit, own: Path, reader: str, max_image_pixels: int) -> Report:
    error = ""
    with ExitStack() as stack:
        writer = _Writer(unit, max_image_pixels, stack, own)
        try:
            write = {"citations": _write_citations, "unread": _write_unread}
            write.get(unit.kind, _write_articles)(writer)
        except UserError as unreadable:
            error = f"{unreadable.what}: {unreadable.why}"
            writer.add_rejects([Reject(unit.files[0], "unreadable", error)])
    num_in = sum(s.num_rows for s in (writer.articles, writer.figures, writer.rejects))
    files = list(unit.files)
    report = Report(reader, files, writer.inputs, num_in, writer.deletions, error)
    partial = own / (REPORT + ".partial")
    partial.write_text(json.dumps(asdict(report), indent=1, sort_keys=True) + "\n")
    partial.replace(own / REPORT)
    return report


def bands_path(own: Path) -> Path:
    """The fingerprints of a unit's texts: named by what takes them, for others are no match."""
    return own / f"bands-{_hash_fingerprints()}.parquet"


@cache
def _hash_fingerprints() -> str:
    code = Path(__file__).with_name("near_duplicates.py").read_bytes()
    return hash_bytes(code + version("rensa").encode())[:16]


def _write_fingerprints(own: Path) -> None:
    for old in own.glob("bands-*"):
        old.unlink()
    partial = own / "bands.partial"
    schema = pa.schema([(band, pa.uint64()) for band in BANDS])
    with pq.ParquetWriter(partial, schema) as writer:
        for texts in row_groups(own / "articles.parquet", ["text"]):
            writer.write_table(fingerprint(texts["text"]).to_arrow().cast(schema))
    partial.replace(bands_path(own))


def read_report(own: Path) -> Report | None:
    """The report of a unit's folder; None where its reading is not there, or not whole."""
    try:
        values: dict[str, Any] = json.loads((own / REPORT).read_text())
        values["deletions"] = [(pmid, number) for pmid, number in values["deletions"]]
        for name in SHARDS:
            pq.read_metadata(own / f"{name}.parquet")
        return Report(**values)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


@cache
def hash_reader() -> str:
    """What reads: a hash over the sources of this room, those it leans on, and its libraries."""
    here = Path(__file__).parent
    room = [path for path in sorted(here.glob("*.*")) if path.stem not in AFTER_READING]
    sources = [*room, *(here.parent / name for name in LEANS_ON)]
    libraries = " ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return hash_bytes(b"\0".join([libraries.encode(), *(path.read_bytes() for path in sources)]))


def _is_current(unit: Unit, held: Report) -> bool:
    if list(unit.files) != held.files:  # more may be among the inputs: what is metadata by now
        return False
    return all(_hash(unit.root / name) == digest for name, digest in held.inputs.items())


def _hash(path: Path) -> str:
    try:
        if path.is_dir():
            names = sorted(child.name for child in path.iterdir() if child.exists())
            return hash_bytes("\0".join(names).encode("utf-8", "surrogateescape"))
        return hash_file(path) if path.is_file() else ""
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # an article may name what no file system can hold
            raise
        return ""


def _write_citations(writer: _Writer) -> None:
    (name,) = writer.unit.files
    path = writer.unit.root / name
    for source in (path, path.with_name(path.name + ".md5")):
        writer.note(source)
    for batch in read_citations(path, name, writer.inputs[name]):
        for citations in batch.citations:
            writer.articles.add(citations)
        writer.add_rejects(batch.rejects)
        writer.deletions += [(one.pmid, one.version) for one in batch.deletions]


def _write_articles(writer: _Writer) -> None:
    root = writer.unit.root
    for name in writer.unit.files:
        for path in (root / name, *metadata_files(root / name, root)):
            writer.note(path)
    found = chain.from_iterable(_read_file(writer.unit, name) for name in writer.unit.files)
    for batch in _batches(found):
        writer.add_rejects(one for one in batch if isinstance(one, Reject))
        fulltexts = [one for one in batch if isinstance(one, FullText)]
        first = writer.articles.num_rows
        writer.articles.add(_article_rows(fulltexts))
        figures = [
            {**asdict(figure), "row": row, **_find_image(figure, fulltext.folder, writer)}
            for row, fulltext in enumerate(fulltexts, first)
            for figure in fulltext.figures
        ]
        writer.figures.add(pl.DataFrame(figures, schema=pl.Schema(FIGURES)))


def _read_file(unit: Unit, name: str) -> Iterator[FullText | Reject]:
    path = unit.root / name
    if not path.is_file():
        yield Reject(name, "unreadable", explain_unread(path))
        return
    for one in (read_collection if unit.kind == "bioc" else read_articles)(path, unit.root):
        if isinstance(one, FullText) and _num_chars(one) > MAX_CHARS:
            detail = f"with its figures more than {MAX_CHARS >> 20} million characters"
            yield Reject(one.article.origin, "too-large", detail)
        else:
            yield one


def _write_unread(writer: _Writer) -> None:
    for name in writer.unit.files:
        path = writer.unit.root / name
        if path.is_symlink():  # where it leads may be there one day
            writer.note(path)
        writer.add_rejects([Reject(name, "not-read", explain_unread(path))])


def _batches(found: Iterable[FullText | Reject]) -> Iterator[list[FullText | Reject]]:
    """What was found, in lists of so many characters, or of one longer article."""
    batch: list[FullText | Reject] = []
    num_chars = 0
    for one in found:
        batch.append(one)
        num_chars += _num_chars(one)
        if num_chars >= BATCH_CHARS:
            yield batch
            batch, num_chars = [], 0
    yield batch


def _num_chars(one: FullText | Reject) -> int:
    """How long a record is, about: an article with the texts of its figures."""
    if isinstance(one, Reject):
        return len(one.detail)
    figures = sum(len(f.caption) + sum(map(len, f.mentions)) for f in one.figures)
    return len(one.article.text) + figures


def _article_rows(fulltexts: list[FullText]) -> pl.DataFrame:
    schema = pl.Schema(ARTICLES)
    rows = [
        {**asdict(one.article), "is_notice": one.is_notice, "retracts": one.retracts}
        for one in fulltexts
    ]
    return complete(pl.DataFrame(rows, schema={name: schema[name] for name in schema if name}))


def _find_image(figure: Figure, folder: Path, writer: _Writer) -> dict[str, Any]:
    """The image of a figure, or why there is none."""
    nothing = {"path": "", "format": "", "width": 0, "height": 0, "reason": "", "detail": ""}
    if not figure.caption:
        return {**nothing, "reason": "no-caption", "detail": figure.label}
    root, path = writer.unit.root, find_image(figure.graphic, folder)
    image = read_image(figure, path, folder, root, writer.max_image_pixels)
    places = [folder, (folder / figure.graphic).parent]  # where a better file may come to lie
    for noted in places if path is None else [*places, path]:
        writer.note(noted)
    if isinstance(image, Reject):
        return {**nothing, "reason": image.reason, "detail": image.detail}
    facts = {"format": image.format, "width": image.width, "height": image.height}
    place = "" if path is None else path.relative_to(root).as_posix()
    return {**nothing, **facts, "image_id": image.id, "path": place}
