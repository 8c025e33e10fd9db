"""How fast citation files become Parquet, beside what else reads them, each on one core.

    python benchmarks/ingest.py --write
    python benchmarks/ingest.py --file pubmed26n1334.xml.gz

Without ``--file`` it makes one: citations of the sample world, filled up to the shape of NLM's
(affiliations, headings, chemicals, keywords, references, dates), so that a record takes about
11 kB, as it does in the files of 2022 to 2026. The contenders take turns, each in a process of its
own that is tied to one core:

- gunzip: zlib alone; nothing is parsed
- bare iterparse: lxml steps through the records and extracts nothing
- pubmed-parser: the package of that name, to dicts that are thrown away (pip install pubmed-parser)
- ours: every field of a citation, in the corpus's columns, written to Parquet
- ours, with fingerprints: and the keys by which near-duplicates are found

Times are medians; memory is the peak of the process. The last row gives ours two files at a time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from lxml import etree
from results import peak_memory_mb, show

from components.pubmed.readings import read_unit
from components.pubmed.units import Unit
from components.sample.citations import Card, build_citation, wrap_citation
from components.sample.markup import Element, add
from components.sample.papers import imagine_paper
from components.sample.pubmed import DOCTYPE
from components.sample.settings import SampleSettings

# What a record of 2022 to 2026 holds on average beside its text.
AUTHORS, HEADINGS, CHEMICALS, KEYWORDS, REFERENCES = 7, 11, 4, 5, 22
MAX_IMAGE_PIXELS = 1  # citations have none
NUM_PAPERS = 400  # distinct ones; each is filed again under new numbers, its words shuffled
PASSAGE = re.compile(r">([^<>]{40,})<")


def make_file(path: Path, num_records: int, first: int = 1) -> None:
    """A baseline file of citations with the sizes of real ones, numbered from ``first``."""
    chance = random.Random(first)
    settings = SampleSettings(num_images=1, num_texts=NUM_PAPERS, image_px=28, seed=0)
    texts = []
    for number in range(1, NUM_PAPERS + 1):
        card = Card(imagine_paper(settings, number), abstract="structured")
        record = wrap_citation(build_citation(card), card)
        _fill_up(record, chance)
        texts.append(etree.tostring(record, encoding="unicode"))

    def shuffle(passage: re.Match[str]) -> str:
        words = passage.group(1).split()
        chance.shuffle(words)
        return f">{' '.join(words)}<"

    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=6) as file:
        file.write(f'<?xml version="1.0" encoding="utf-8"?>\n{DOCTYPE}\n<PubmedArticleSet>\n')
        for number in range(first, first + num_records):
            text = PASSAGE.sub(shuffle, texts[number % NUM_PAPERS])
            file.write(re.sub(r">9\d{7}</PMID>", f">{number}</PMID>", text, count=1) + "\n")
        file.write("</PubmedArticleSet>\n")


def _fill_up(record: Element, chance: random.Random) -> None:
    words = re.findall(r"\w+", " ".join(str(text) for text in record.itertext()))

    def some(num: int) -> str:
        return " ".join(chance.choices(words, k=num))

    citation = record[0]
    authors = citation.find("Article/AuthorList")
    assert authors is not None
    while len(authors) < AUTHORS:
        author = add(authors, "Author", ValidYN="Y")
        add(author, "LastName", some(1).title())
        add(author, "ForeName", some(1).title())
        add(author, "Initials", "AB")
    for author in authors:
        add(add(author, "AffiliationInfo"), "Affiliation", some(24))
    chemicals = add(citation, "ChemicalList")
    for _ in range(CHEMICALS):
        chemical = add(chemicals, "Chemical")
        add(chemical, "RegistryNumber", "0")
        add(chemical, "NameOfSubstance", some(2), UI="D000000")
    headings = citation.find("MeshHeadingList")
    assert headings is not None
    while len(headings) < HEADINGS:
        heading = add(headings, "MeshHeading")
        add(heading, "DescriptorName", some(2), UI="D000000", MajorTopicYN="N")
        add(heading, "QualifierName", some(1), UI="Q000000", MajorTopicYN="N")
    keywords = add(citation, "KeywordList", Owner="NOTNLM")
    for _ in range(KEYWORDS):
        add(keywords, "Keyword", some(2), MajorTopicYN="N")
    references = add(record[1], "ReferenceList")
    for number in range(REFERENCES):
        reference = add(references, "Reference")
        add(reference, "Citation", f"{some(16)}. 2019;{number}:1-9.")
        add(add(reference, "ArticleIdList"), "ArticleId", str(number), IdType="pubmed")


def gunzip(path: Path) -> int:
    """Inflate with zlib; returns the bytes."""
    with gzip.open(path) as file:
        return sum(len(chunk) for chunk in iter(lambda: file.read(1 << 18), b""))


def bare_iterparse(path: Path) -> int:
    """Step through the records with lxml; returns how many there are."""
    num = 0
    with gzip.open(path) as file:
        for _, record in etree.iterparse(file, tag="PubmedArticle"):
            num += 1
            record.clear()
            while record.getprevious() is not None:
                del record.getparent()[0]  # type: ignore[union-attr]
    return num


def pubmed_parser(path: Path) -> int:
    """Read with the package pubmed-parser; returns how many records there are."""
    from pubmed_parser import parse_medline_xml  # type: ignore[import-not-found]

    return sum(1 for _ in parse_medline_xml(str(path)))


def ours(path: Path, near_duplicates: bool = False) -> int:
    """Read every field and write Parquet, as the stage does; returns how many records there are."""
    unit = Unit("file", "citations", path.parent, (path.name,))
    with tempfile.TemporaryDirectory() as folder:
        report = read_unit(unit, Path(folder), MAX_IMAGE_PIXELS, near_duplicates)
    if report.error:
        raise SystemExit(report.error)
    return report.num_in


def ours_with_fingerprints(path: Path) -> int:
    """The same, and the fingerprints that near-duplicates are found by."""
    return ours(path, near_duplicates=True)


CONTENDERS: dict[str, Callable[[Path], int]] = {
    "gunzip": gunzip,
    "bare iterparse": bare_iterparse,
    "pubmed-parser": pubmed_parser,
    "ours": ours,
    "ours, with fingerprints": ours_with_fingerprints,
}


def run_alone(name: str, path: Path, core: int) -> None:
    """One contender on one core; prints seconds and the process's peak memory in MB."""
    os.sched_setaffinity(0, {core})
    start = time.perf_counter()
    CONTENDERS[name](path)
    seconds = time.perf_counter() - start
    print(json.dumps({"s": seconds, "mb": peak_memory_mb()}))


def start_alone(name: str, path: Path, core: int = 0) -> subprocess.Popen[str]:
    """The process of one contender."""
    words = [sys.executable, __file__, "--file", str(path), "--alone", name, "--core", str(core)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, float]:
    """What a contender's process printed."""
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def measure(path: Path, repeats: int) -> dict[str, tuple[float, float]]:
    """Median seconds and largest memory of each contender, and of two of ours side by side."""
    runs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(repeats):
        for name in CONTENDERS:
            runs[name].append(finish(start_alone(name, path)))
        both = [finish(p) for p in [start_alone("ours", path, core) for core in (0, 1)]]
        worst = {key: max(one[key] for one in both) for key in ("s", "mb")}
        runs["ours, two files, two workers"].append(worst)
    return {
        name: (statistics.median(one["s"] for one in found), max(one["mb"] for one in found))
        for name, found in runs.items()
    }


def table(path: Path, repeats: int, what: str) -> str:
    """Markdown: a row for each contender."""
    size, num = gunzip(path) / 1e6, bare_iterparse(path)
    found = measure(path, repeats)
    rows = []
    for name, (seconds, memory) in found.items():
        files = 2 if "two files" in name else 1
        rows.append(
            f"| {name} | {seconds:.2f} s | {files * num / seconds:,.0f} | "
            f"{files * size / seconds:.0f} | {found['pubmed-parser'][0] * files / seconds:.1f} | "
            f"{memory:.0f} MB |"
        )
    today = datetime.now().astimezone().date().isoformat()
    head = [
        f"### Citation files, {today}",
        "",
        f"`python benchmarks/ingest.py`, {what}: {num:,} records, {size:.0f} MB of XML, "
        f"{path.stat().st_size / 1e6:.0f} MB gzipped; one of {os.cpu_count()} cores "
        f"({platform.processor() or platform.machine()}), medians of {repeats}.",
        "",
        "| reader | time | records/s | MB/s | times pubmed-parser | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def main() -> None:
    """Time, print and, with --write, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--records", type=int, default=30_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="append to RESULTS.md")
    parser.add_argument("--alone", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        run_alone(given.alone, given.file, given.core)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, what = given.file, "a file of NLM's" if given.file else "made from the sample world"
        if path is None:
            path = Path(folder) / "pubmed26n9999.xml.gz"
            make_file(path, given.records)
        text = table(path, given.repeats, what)
    show(text, given.write)


if __name__ == "__main__":
    main()
