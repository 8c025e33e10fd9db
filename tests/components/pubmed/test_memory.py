"""What one text may take: whatever the size of a file, a process stays under 250 MB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from components.pubmed.weight import MAX_WEIGHT, weigh
from tests.components.pubmed.conftest import article_set, cite, jats, write
from tests.components.pubmed.reading import ROOT

MAX_MB = 250
READ = """
import re, sys
from pathlib import Path
from components.pubmed.readings import read_unit
from components.pubmed.units import Unit
path, kind = Path(sys.argv[1]), sys.argv[2]
unit = Unit("unit", kind, path.parent, (path.name,))
read_unit(unit, path.parent, 1000, near_duplicates=True)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_mb(path: Path, kind: str) -> float:
    """Peak memory of a process that reads a file, and nothing else."""
    words = [sys.executable, "-c", READ, str(path), kind]
    printed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return int(printed) / 1e3


def repeat(text: str, num_bytes: float) -> str:
    return text * int(num_bytes / len(text.encode()))


ARTICLES = {
    "words": ("ab ", "<p>{}</p>"),
    "paragraphs": (f"<p>{'some words of a text ' * 40}</p>", "{}"),
    "letters": ("<p>a</p>", "{}"),
    "tags": ("<a/>", "<sec>{}</sec>"),
    "attributes": ('<p a="b" c="d" e="f">g</p>', "{}"),
    "entities": ("&a;b", "<p>{}</p>"),
    "figures": ("<fig/>", "{}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", ARTICLES)
def test_an_article_takes_little_or_is_told(tmp_path: Path, shape: str) -> None:
    """As large as is read, by its weight, and of 13 MB."""
    unit, around = ARTICLES[shape]
    fits = 0.95 * MAX_WEIGHT * len(unit) / weigh(unit.encode())
    for num_bytes, num_too_large in ((fits, 0), (13e6, 1)):
        body = around.format(repeat(unit, num_bytes))
        if shape == "words":  # libxml2 takes no text node of 10 MB
            body = around.format(repeat(unit, num_bytes / 2)) * 2
        assert peak_mb(write(tmp_path / "a.nxml", jats(body=body)), "jats") < MAX_MB
        reasons = pl.read_parquet(tmp_path / "unit/rejects.parquet")["reason"].to_list()
        assert reasons.count("too-large") == num_too_large


@pytest.mark.slow
@pytest.mark.parametrize("num_bytes", [10_000, 60_000, 250_000, 1_200_000, 2_800_000])
@pytest.mark.parametrize("unit", ["ab ", "<q/>"])
def test_citations_take_little_or_are_told(tmp_path: Path, unit: str, num_bytes: int) -> None:
    text = f"<AbstractText>{repeat(unit, num_bytes)}</AbstractText>"
    num = max(12, 12_000_000 // num_bytes)
    path = write(tmp_path / "f.xml", article_set(*(cite(n + 1, abstract=text) for n in range(num))))
    assert peak_mb(path, "citations") < MAX_MB
    reasons = pl.read_parquet(tmp_path / "unit/rejects.parquet")["reason"].to_list()
    assert reasons.count("too-large") == (num if num_bytes == 2_800_000 else 0)
