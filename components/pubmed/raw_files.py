"""The files of a raw folder: which are read, by their names, and which only look as if they were.

Names may be in capitals, and what is text may be packed with gzip. A link that leads nowhere is
found by its name as well, so that whoever reads it tells that it is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.lineage import MANIFEST

CITATIONS = (".xml", ".xml.gz")
ARTICLES = (".nxml", ".nxml.gz", *CITATIONS)
UNREAD = (  # suffixes of what may hold records, where no reader takes the file
    ".7z", ".bz2", ".gz", ".jsonl", ".nxml", ".tar", ".tgz", ".xz", ".z", ".zip", ".zst",
)  # fmt: skip


def find_citation_files(root: Path) -> list[Path]:
    """Citation files under a folder, sorted by path."""
    return _find(root, CITATIONS)


def find_article_files(root: Path) -> list[Path]:
    """JATS files under a folder, sorted by path."""
    return _find(root, ARTICLES)


def find_collections(root: Path) -> list[Path]:
    """BioC files under a folder, sorted: every ``.json`` that is no article's metadata."""
    articles = {path.with_name(stem(path)) for path in find_article_files(root)}
    return [
        path
        for path in _find(root, (".json",))
        if path.name != MANIFEST
        and path.parent.name != "metadata"
        and path.with_name(stem(path)) not in articles
    ]


def find_unread(root: Path, read: Iterable[Path]) -> list[Path]:
    """What is not among the files that are ``read`` though it may hold records, sorted by path."""
    left = set(root.rglob("*")).difference(read)
    return sorted(path for path in left if _leads_away(path) or _may_hold_records(path))


def explain_unread(path: Path) -> str:
    """Why such a path is not read."""
    if not path.exists():
        return "a link that leads nowhere"
    if path.is_dir():
        return "a link to a folder, which is not entered"
    return "a file of no form that is read here; unpack it"


def stem(path: Path) -> str:
    """The name of a file without its suffix, be it packed or not: PMC12.1 of PMC12.1.nxml.gz."""
    is_packed = path.suffix.lower() == ".gz"
    return Path(path.stem).stem if is_packed else path.stem


def _find(root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    named = (path for path in root.rglob("*") if path.name.lower().endswith(suffixes))
    return sorted(path for path in named if path.is_file() or not path.exists())


def _leads_away(path: Path) -> bool:
    return path.is_symlink() and not path.is_file()


def _may_hold_records(path: Path) -> bool:
    return path.name.lower().endswith(UNREAD) and path.is_file()
