"""Reading text of articles: order, what is left out, sentences, mentions."""

from __future__ import annotations

import pytest
from lxml import etree

from components.pubmed.licences import find_licence
from components.pubmed.mentions import named_figures
from components.pubmed.prose import MentionIndex, drop_citations, read_blocks, split_sentences

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def blocks(inner: str) -> list[str]:
    return [block.text for block in read_blocks(etree.fromstring(f"<body>{inner}</body>"))]


def test_sections_in_reading_order() -> None:
    inner = (
        "<p>Zero.</p><sec><title>A</title><p>One.</p><sec><title>B</title><p>Two.</p></sec>"
        "<list><list-item><p>Item.</p></list-item></list></sec>"
        "<sec><title>Empty</title><sec><title>Also</title></sec></sec>"
    )
    assert blocks(inner) == ["Zero.", "A", "One.", "B", "Two.", "Item."]


def test_of_figures_and_tables_the_captions_are_read_and_nothing_of_notes() -> None:
    inner = (
        "<p>Seen<fn><p>note</p></fn> here.<fig id='F1'><label>Fig. 1.</label><caption><p>Within a"
        " paragraph.</p></caption></fig> And on.</p>"
        "<table-wrap><label>Table 1</label><caption><title>Ages.</title></caption>"
        "<table><tr><td>1</td></tr></table><table-wrap-foot><p>foot</p></table-wrap-foot>"
        "</table-wrap><fig id='F2'><caption><p>Free.</p></caption></fig><p>End.</p>"
    )
    assert blocks(inner) == [
        "Seen here. And on.", "Fig. 1. Within a paragraph.", "Table 1. Ages.", "Free.", "End.",
    ]  # fmt: skip


REF = "<xref ref-type='bibr' rid='B'>{}</xref>"


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (f"So it is [{REF.format(1)}].", "So it is."),
        (f"So it is [{REF.format(1)},{REF.format(2)}-{REF.format(5)}] here.", "So it is here."),
        (f"So it is {REF.format('[1]')}\u2013{REF.format('[3]')}.", "So it is."),
        (f"So it is {REF.format('[1]')}, {REF.format('[3]')}, and more.", "So it is, and more."),
        (f"So it is<sup>{REF.format(1)}</sup>.", "So it is."),
        (f"So it is<sup>{REF.format(1)},{REF.format(2)}</sup> 10<sup>3</sup>.", "So it is 10^3."),
        (f"Said {REF.format('Roe et al. 2006')}.", "Said Roe et al. 2006."),
        (f"So (see text; {REF.format(1)}).", "So (see text)."),
        (f"So [{REF.format(1)}, their figure].", "So [their figure]."),
        (f"So [{REF.format(1)} and {REF.format(2)}].", "So."),
        (f"So (see {REF.format(1)}; {REF.format(2)}), and (refs. {REF.format(3)}) on.",
         "So, and on."),
        (f"So<sup>[{REF.format(1)}\u2013{REF.format(3)}]</sup> it is.", "So it is."),
        (f"So<sup>{REF.format('<sup>1</sup>')}</sup> it is.", "So it is."),
        ("So<xref ref-type='fn' rid='n'>*</xref> it<sup><xref ref-type='table-fn'>a</xref></sup>"
         " is.", "So it is."),
        (
            f"As ({REF.format(19)}, {REF.format('')}{REF.format('')}\u2013{REF.format(22)}) (Fig. 1"
            ").",
            "As (Fig. 1).",
        ),
        (
            f"(adapted from ref. {REF.format(1)} with data of refs. {REF.format(2)} and "
            f"{REF.format(3)}{REF.format('')}\u2013{REF.format(4)})",
            "(adapted with data)",
        ),
        ("Set (1, 2] and [a] and ().", "Set (1, 2] and [a] and ()."),
    ],
)  # fmt: skip
def test_citation_marks_go_and_names_stay(inner: str, text: str) -> None:
    assert blocks(f"<p>{inner}</p>") == [text]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("One thing. Another thing.", 2),
        ("See Fig. 1 for this. Done.", 2),
        ("By Roe et al. Later on, e.g. Here. And vs. That.", 2),
        ("Of E. coli and S. Aureus. Yes! No? Fine.", 4),
        ("A value of 3.5 was seen (P = 0.04). It rose.", 2),
        ("No end at all", 1),
        ("", 1),
    ],
)
def test_sentences(text: str, number: int) -> None:
    sentences = split_sentences(text)
    assert len(sentences) == number
    assert " ".join(sentences) == text


@pytest.mark.timeout(120)  # time that grows with the square of the length takes many minutes
@pytest.mark.parametrize(
    "unit", ["A. ", "Fig. A ", "Ab. Cd ", "(see \ue002 ", "\ue002, ", "in refs "]
)
def test_long_odd_texts_come_to_an_end(unit: str) -> None:
    split_sentences(drop_citations(unit * 100_000))
    named_figures(f"Figures {unit}" + "1, 2A-" * 100_000)


def test_mentions_are_the_sentences_that_point_to_a_figure() -> None:
    fig = "<xref ref-type='fig' rid='{}'>Figure {}</xref>"
    inner = (
        f"<title>On {fig.format('F1', 1)}</title><fig><caption><p>As {fig.format('F1', 1)}.</p>"
        "</caption></fig>"
        f"<p>Nothing. {fig.format('F1', 1)} shows it. As in {fig.format('F1 F2', '1, 2')}! No.</p>"
        f"<p>Later ({fig.format('F10', 10)}).</p><p>{fig.format('F1', 1)} shows it.</p>"
    )
    lines = read_blocks(etree.fromstring(f"<body>{inner}</body>"))
    index = MentionIndex(lines)
    first = ["Figure 1 shows it.", "As in Figure 1, 2!"]
    assert index.find(["F1"]) == index.find(["F1", "figure 1"]) == first
    assert index.find(["F2"]) == first[1:]
    assert index.find(["F10"]) == ["Later (Figure 10)."]
    assert index.find(["F3"]) == index.find([]) == []
    assert not any("\ue000" in block.text for block in lines)


CC = "http://creativecommons.org/licenses"


@pytest.mark.parametrize(
    ("inner", "licence"),
    [
        (f"<license xlink:href='{CC}/by/2.0'><p>x</p></license>", "CC BY 2.0"),
        (f"<license xlink:href='{CC}/by-nc-nd/4.0/'/>", "CC BY-NC-ND 4.0"),
        (f"<license><p>At <ext-link xlink:href='{CC}/by-nc/3.0/'>x</ext-link></p></license>",
         "CC BY-NC 3.0"),
        ("<license><license_ref>https://creativecommons.org/licenses/by-sa/4.0/</license_ref>"
         "</license>", "CC BY-SA 4.0"),
        ("<license xlink:href='https://creativecommons.org/publicdomain/zero/1.0/'/>", "CC0"),
        ("<license xlink:href='http://creativecommons.org/publicdomain/mark/1.0/'/>",
         "public domain"),
        ("<license><p>under the Creative Commons Attribution License</p></license>", "CC BY"),
        ("<license><p>Creative Commons Attribution-NonCommercial-NoDerivs</p></license>",
         "CC BY-NC-ND"),
        ("<copyright-statement>Roe. Under the Creative Commons Attribution License."
         "</copyright-statement>", "CC BY"),
        ("<license><p>This work is in the public domain.</p></license>", "public domain"),
        ("<license><p>Open access under CC BY-NC.</p></license>", "CC BY-NC"),
        ("<license><p>Open access under CC BY-NC-ND.</p></license>", "CC BY-NC-ND"),
        ("<license><p>Open access under CC BY-SA.</p></license>", "CC BY-SA"),
        ("<license><p>All rights reserved.</p></license>", "unknown"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_licences(inner: str, licence: str) -> None:
    xml = f"<article-meta {XLINK}><permissions>{inner}</permissions></article-meta>"
    assert find_licence(etree.fromstring(xml)) == licence


def test_the_title_of_a_box_stands_over_it() -> None:
    caption = "<label>Box 1</label><caption><title>Key messages</title></caption>"
    assert blocks(f"<boxed-text>{caption}<p>Boxed.</p></boxed-text>") == ["Key messages", "Boxed."]
    assert blocks(f"<boxed-text>{caption}</boxed-text>") == []
    inner = f"<p>One <boxed-text>{caption}<p>Boxed.</p></boxed-text> two.</p>"
    assert blocks(inner) == ["One two.", "Key messages", "Boxed."]
