"""XML bombs and external entities, in every reader of XML: nothing is unfolded, nothing is read."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from components.cards import load_card
from components.errors import UserError
from components.pubmed.medline import read_citations
from components.pubmed.pmc import read_articles
from components.readers.registry import read_rows
from tests.components.pubmed.conftest import article_set, cite, jats
from tests.fuzz.seeds import ROOT, sample

CANARY = "canary-7b1f"
MEGABYTES = 256
LAUGHS = '<!ENTITY l0 "lol">' + "".join(
    f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9)
)  # a billion of them
QUADRATIC = f'<!ENTITY l9 "{"a" * 100_000}">'


def external(secret: Path) -> str:
    return f'<!ENTITY l9 SYSTEM "{secret.as_uri()}">'


def parameter(secret: Path) -> str:
    return f'<!ENTITY % p SYSTEM "{secret.as_uri()}"> %p;<!ENTITY l9 "x">'


def read_source(source: str, suffix: str, folder: Path, subset: str) -> str:
    """All that a data set's reader gives, each of its XML files with entities of its own."""
    found = sample(source)
    for name, content in found.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(suffix):
            text = content.decode()
            root = text.index("<", text.find("?>") + 1)
            body = text[root:].replace("</", "&l9;</", 20)
            path.write_text(f"<!DOCTYPE x [{subset}]>{body}")
        else:
            path.write_bytes(content)
    return "".join(map(repr, read_rows(load_card(source, ROOT / "data/cards"), folder)))


def read_medline(folder: Path, subset: str) -> str:
    text = article_set(cite(1, abstract="<AbstractText>&l9; &l9;</AbstractText>"))
    text = text.replace('pubmed_190101.dtd">', f'pubmed_190101.dtd" [{subset}]>')
    (folder / "a.xml").write_text(text)
    return "".join(map(repr, read_citations(folder / "a.xml")))


def read_jats(folder: Path, subset: str) -> str:
    text = jats(body="<p>&l9; &l9; and a text that is long enough to be one.</p>")
    (folder / "a.nxml").write_text(text.replace('article1.dtd">', f'article1.dtd" [{subset}]>'))
    return "".join(map(repr, read_articles(folder / "a.nxml", folder)))


READERS: dict[str, Callable[[Path, str], str]] = {
    "medline": read_medline,
    "jats": read_jats,
    "openi": lambda folder, subset: read_source("iu_xray", ".xml", folder, subset),
    "voc": lambda folder, subset: read_source("oia_ddr", ".xml", folder, subset),
    "trec": lambda folder, subset: read_source("trec_ct", ".xml", folder, subset),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("attack", ["laughs", "quadratic", "external", "parameter"])
def test_entities_unfold_to_nothing_and_reach_nothing(
    tmp_path: Path, reader: str, attack: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(CANARY)
    subset = {"laughs": LAUGHS, "quadratic": QUADRATIC, "external": external(secret),
              "parameter": parameter(secret)}[attack]  # fmt: skip
    folder = tmp_path / "raw"
    folder.mkdir()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        found = READERS[reader](folder, subset)
    except UserError as error:
        found = str(error)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert CANARY not in found and "lollol" not in found and "aaaaaaaa" not in found
    assert grown_kb < MEGABYTES << 10


def test_the_readers_are_all_that_parse_xml() -> None:
    """A new parser of XML belongs into the table above."""
    files = sorted((ROOT / "components").rglob("*.py"))
    parsers = re.compile(r"XML(Pull)?Parser\(|iterparse\(|etree\.parse\(|minidom|xml\.sax")
    found = [p.stem for p in files if "sample" not in p.parts and parsers.search(p.read_text())]
    assert found == ["article_sets", "medline", "rich_text", "xml_trees"]
