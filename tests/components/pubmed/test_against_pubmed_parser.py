"""Real citation files and articles, field by field, beside the package pubmed-parser.

It differs from us in some places, each named here with the reason; anything else is a bug of ours.
It does not read the bare citations of 2016, nor which PMIDs a file deletes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.pubmed.pmc import FullText, read_article
from tests.components.pubmed.reading import Citation, read_items

pubmed_parser = pytest.importorskip("pubmed_parser")

DROPS_NESTED = "it drops text within markup within markup, and MathML"
DROPS_EXPONENT = "it writes 10 to the 14th as 1014, we as 10^14"
DROPS_LABEL = "it leaves out the label of an abstract of one section"
DROPS_BOLD = "it drops headings that stand in bold within the text"
LACKS_TITLE = "it gives no title where there is one in the article's own language only"
KNOWN = {
    ("31833365", "abstract"): DROPS_NESTED,
    ("33191611", "abstract"): DROPS_NESTED,
    ("34034310", "abstract"): DROPS_LABEL,
    ("34853675", "abstract"): DROPS_BOLD,
    ("34862733", "abstract"): DROPS_EXPONENT,
    ("41580931", "abstract"): DROPS_EXPONENT,
    ("41601840", "abstract"): DROPS_NESTED,
    ("41601840", "title"): DROPS_NESTED,
    ("41605226", "title"): LACKS_TITLE,
}
# Identifiers that it misses: it looks for them in one place, NLM writes them in two.
MISSED = ("doi", "pmc")


def read_both(path: Path, copy: Path) -> Iterator[tuple[dict[str, Any], Citation]]:
    """Its record and ours of each citation; it reads compressed files only."""
    content = path.read_bytes()
    copy.write_bytes(content if path.suffix == ".gz" else gzip.compress(content))
    theirs = pubmed_parser.parse_medline_xml(str(copy), year_info_only=True)
    ours = [item for item in read_items(path) if isinstance(item, Citation)]
    theirs = [record for record in theirs if not record["delete"]]
    if theirs:
        yield from zip(theirs, ours, strict=True)


def differences(theirs: dict[str, Any], ours: Citation) -> Iterator[str]:
    """Names of the fields that differ in more than white space."""
    lines = ours.text.split("\n")  # labels stand before their text, with a colon
    labels = tuple(f"{label}: " for label in ours.sections)
    sections = " ".join(
        line.replace(": ", " ", 1) if line.startswith(labels) else line for line in lines
    )
    mesh = [term.partition(":")[2] for term in theirs["mesh_terms"].split("; ") if term]
    types = [kind.partition(":")[2] for kind in theirs["publication_types"].split("; ") if kind]
    pairs = {
        "title": (theirs["title"], ours.title),
        "abstract": (theirs["abstract"], sections),
        "journal": (theirs["journal"], ours.journal),
        "doi": (theirs["doi"], ours.doi),
        "pmc": (theirs["pmc"], ours.pmcid),
    }
    for name, (a, b) in pairs.items():
        if "".join(a.split()) != "".join(b.split()) and (a or name not in MISSED):
            yield name
    if int(theirs["pubdate"] or 0) != ours.year:
        yield "year"
    if theirs["languages"].split(";") != ours.language.split(","):
        yield "language"
    if mesh != ours.mesh:
        yield "mesh"
    if types != ours.publication_types:
        yield "types"


def test_every_difference_has_a_reason(shared_data: Path, tmp_path: Path) -> None:
    found, num = set(), 0
    for path in sorted((shared_data / "pubmed").rglob("*.xml*")):
        for theirs, ours in read_both(path, tmp_path / f"{path.name}.gz"):
            assert theirs["pmid"] == ours.pmid
            num += 1
            found |= {(ours.pmid, name) for name in differences(theirs, ours)}
    assert num == 196
    assert found == set(KNOWN)


# It puts the summary for lay readers after the abstract; we take one abstract of several.
JOINS_ABSTRACTS = {"pntd.0002065.nxml"}


def test_articles_agree_on_every_field(shared_data: Path) -> None:
    root = shared_data / "pmc_oa"
    for path in sorted(root.glob("*.nxml")):
        theirs, found = pubmed_parser.parse_pubmed_xml(str(path)), read_article(path, root)
        assert isinstance(found, FullText)
        ours = found.article
        assert (ours.title, ours.journal, ours.year) == (
            theirs["full_title"], theirs["journal"], theirs["publication_year"],
        )  # fmt: skip
        assert (ours.pmid, ours.pmcid, ours.doi) == (
            theirs["pmid"], f"PMC{theirs['pmc']}", theirs["doi"],
        )  # fmt: skip
        text, abstract = ("".join(words.split()) for words in (ours.text, theirs["abstract"]))
        if path.name in JOINS_ABSTRACTS:
            assert abstract[:1000] == text[:1000] and abstract not in text
        else:
            assert text.startswith(abstract)
