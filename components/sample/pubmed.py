"""PubMed as NLM hands it out: baseline/ and updatefiles/, gzipped XML with MD5 files.

The first baseline file has the root of 2016, the others today's. Among the citations: two
versions of a PMID, records without abstract, other languages, groups as authors, odd dates,
retractions by each of NLM's signals alone, expressions of concern; and an update that revises and
deletes citations of the baseline.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lxml import etree

from components.sample.citations import Card, Corrected, build_citation, wrap_citation
from components.sample.encode import start_chance, write_gzip, write_md5
from components.sample.markup import add, serialize
from components.sample.papers import Paper, imagine_paper
from components.sample.settings import SampleSettings

OLD_DOCTYPE = (
    '<!DOCTYPE MedlineCitationSet PUBLIC "-//NLM//DTD Medline Citation, 1st January, 2016//EN"\n'
    '    "https://www.nlm.nih.gov/databases/dtd/nlmmedlinecitationset_160101.dtd">'
)
DOCTYPE = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">'
)
RETRACTED, NOTICE = "Retracted Publication", "Retraction of Publication"
SHARES = {"old": 0.2, "first": 0.4}  # of the baseline; its second file has the rest
UPDATED_SHARE, DELETED_SHARE = 0.05, 0.02


def make_pubmed(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write three baseline files and one update, about ``num_texts`` citations; returns paths."""
    chance = start_chance(settings.seed, "pubmed")
    num_notices = 2 * (1 + settings.num_texts // 200)
    num_updated = max(1, round(settings.num_texts * UPDATED_SHARE))
    num_papers = max(8, settings.num_texts - num_notices - num_updated)
    papers = [imagine_paper(settings, number) for number in range(1, num_papers + 1)]
    cards = [card for paper in papers for card in _file_paper(paper, settings, chance)]
    cards = _retract_some(cards, num_papers, num_notices, settings)
    old, first = (round(len(cards) * share) for share in (SHARES["old"], SHARES["first"]))
    updated = chance.sample(papers[num_papers // 4 :], num_updated)
    updates = [Card(imagine_paper(settings, paper.number, revision=2)) for paper in updated]
    spare = sorted({paper.pmid for paper in papers[num_papers // 2 :]} - {p.pmid for p in updated})
    deleted = chance.sample(spare, max(1, round(num_papers * DELETED_SHARE)))
    baseline, update = folder / "baseline", folder / "updatefiles"
    files = [
        (baseline / "medline16n0001.xml.gz", _write_old(cards[:old])),
        (baseline / "pubmed26n0001.xml.gz", _write_new(cards[old : old + first], pretty=False)),
        (baseline / "pubmed26n0002.xml.gz", _write_new(cards[old + first :], pretty=True)),
        (update / "pubmed26n0003.xml.gz", _write_new(updates, pretty=False, deleted=deleted)),
    ]
    paths = [write_gzip(path, content) for path, content in files]
    return paths + [write_md5(path) for path in paths]


def _file_paper(paper: Paper, settings: SampleSettings, chance: random.Random) -> Iterator[Card]:
    """The citations of a paper: one, or at times a first version and a second."""
    card = Card(
        paper,
        abstract=chance.choices(("structured", "plain", "none"), (80, 14, 6))[0],
        language=chance.choices(("eng", "fre"), (95, 5))[0],
        medline_date=chance.random() < 0.08,
        collective="The Sample World Study Group" if chance.random() < 0.05 else "",
    )
    if chance.random() < 0.02:
        yield card
        revised = imagine_paper(settings, paper.number, revision=3)
        yield replace(card, paper=revised, version=2, abstract="structured")
    else:
        yield card


def _retract_some(
    cards: list[Card], num_papers: int, num_notices: int, settings: SampleSettings
) -> list[Card]:
    """Mark papers as retracted or doubted, each by another signal, and add the notices.

    In turn: the publication type, with a tie and a notice; the tie alone; the notice alone; an
    expression of concern.
    """
    stride = max(1, len(cards) // (num_notices + 1))
    marked = [card for card in cards if card.version == 1][2 % stride :: stride][:num_notices]
    for turn, card in enumerate(marked):
        place = cards.index(card)
        notice_paper = imagine_paper(settings, num_papers + 1 + turn)
        source = f"{card.paper.journal.short}. {card.paper.year + 1}"
        back = Corrected("RetractionIn", notice_paper.pmid, source)
        if turn % 4 == 0:
            title = f"RETRACTED: {card.paper.title}"
            types = ("Journal Article", RETRACTED)
            cards[place] = replace(card, types=types, ties=(back,), title=title)
        elif turn % 4 == 1:
            cards[place] = replace(card, ties=(back,))
        elif turn % 4 == 3:
            doubt = replace(back, kind="ExpressionOfConcernIn")
            cards[place] = replace(card, ties=(doubt,))
        if turn % 4 != 1:
            cards.append(_give_notice(card.paper, notice_paper, doubt=turn % 4 == 3))
    return cards


def _give_notice(paper: Paper, notice: Paper, doubt: bool) -> Card:
    kind = "ExpressionOfConcernFor" if doubt else "RetractionOf"
    word = "Expression of concern" if doubt else "Retraction"
    return Card(
        replace(notice, journal=paper.journal, pmcid=""),
        abstract="none",
        types=("Expression of Concern" if doubt else NOTICE,),
        ties=(Corrected(kind, paper.pmid, f"{paper.journal.short}. {paper.year}"),),
        title=f"{word}: {paper.title}",
    )


def _write_old(cards: list[Card]) -> bytes:
    """A file of 2016: bare citations, a line for each element's start and end."""
    root = etree.Element("MedlineCitationSet")
    for card in cards:
        citation = build_citation(card)
        if card.paper.pmcid:
            add(citation, "OtherID", card.paper.pmcid, Source="NLM")
        root.append(citation)
    etree.indent(root, space="")
    return serialize(root, OLD_DOCTYPE)


def _write_new(cards: list[Card], pretty: bool, deleted: list[str] | None = None) -> bytes:
    """A file of today; ``deleted`` are the PMIDs that it withdraws."""
    root = etree.Element("PubmedArticleSet")
    root.text = "\n"
    for card in cards:
        article = wrap_citation(build_citation(card), card)
        article.tail = "\n"
        root.append(article)
    if deleted:
        last = add(root, "DeleteCitation")
        for pmid in deleted:
            add(last, "PMID", pmid, Version="1")
    if pretty:
        etree.indent(root, space="  ")
    return serialize(root, DOCTYPE)
