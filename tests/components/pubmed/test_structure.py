"""Articles of every structure that the DTDs allow, and some that they do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from components.dataset.windows import mark_sections
from components.pubmed.markup import squeeze
from components.pubmed.pmc import FullText, read_article, read_articles
from components.pubmed.prose import MARK, read_blocks
from components.records import Article, Reject
from tests.components.pubmed.conftest import jats, write

MATH = "<mml:math><mml:mi>a</mml:mi><mml:mo>=</mml:mo><mml:mi>b</mml:mi></mml:math>"
TEX = r"<tex-math>\documentclass{x}\begin{document}$$a = b$$\end{document}</tex-math>"
CAPTION = "<label>Figure 1</label><caption><title>T.</title><p>C.</p></caption>"


def read(root: Path, text: str, name: str = "a.nxml") -> Article:
    found = read_article(write(root / name, text), root)
    assert isinstance(found, FullText), found
    return found.article


def text_of(root: Path, body: str, **parts: str) -> str:
    return read(root, jats("1", body, **parts)).text


def test_nested_sections_in_reading_order_with_headings_as_lines(tmp_path: Path) -> None:
    body = (
        "<p>Before.</p><sec><label>1</label><title>One</title><sec><title>Deep</title>"
        "<sec><title>Deeper</title><p>A.</p></sec></sec><p>B.</p></sec>"
        "<sec><title>Empty</title><sec><title>Emptier</title></sec></sec>"
        "<sec><p>No title.</p></sec>"
    )
    article = read(tmp_path, jats("1", body))
    assert article.text == "Before.\nOne\nDeep\nDeeper\nA.\nB.\nNo title."
    assert article.sections == ["One", "Deep", "Deeper"]
    marked = mark_sections(article.text, article.sections)
    assert marked == "Before.\n\nOne\n\nDeep\n\nDeeper\nA.\nB.\nNo title."


def test_one_abstract_of_several(tmp_path: Path) -> None:
    kinds = ("graphical", "summary", "executive-summary", "teaser", "toc", "key-points", "editor",
             "plain-language-summary", "web-summary", "precis", "highlights")  # fmt: skip
    front = "".join(f"<abstract abstract-type='{k}'><p>{k}</p></abstract>" for k in kinds)
    front += (
        "<abstract xml:lang='en'><title>Abstract</title><p>Main.</p></abstract>"
        "<abstract xml:lang='es'><p>Principal.</p></abstract>"
        "<trans-abstract xml:lang='fr'><p>Traduit.</p></trans-abstract>"
    )
    assert text_of(tmp_path, "<p>Body.</p>", front=front) == "Abstract\nMain.\nBody."
    spanish = (
        "<abstract><p>Principal.</p></abstract><abstract xml:lang='en'><p>Main.</p></abstract>"
    )
    article = read(tmp_path, jats("1", "<p>C.</p>", front=spanish, attributes="xml:lang='es'"))
    assert (article.text, article.language) == ("Principal.\nC.", "spa")


@pytest.mark.parametrize(
    ("stated", "language"),
    [("xml:lang='FR'", "fre"), ("xml:lang='pt-BR'", "por"), ("xml:lang='spa'", "spa"),
     ("xml:lang='deu'", "ger"), ("xml:lang='en_GB'", "eng"), ("", "eng"), ("xml:lang=''", "eng"),
     ("xml:lang='xx'", "xx")],
)  # fmt: skip
def test_languages(tmp_path: Path, stated: str, language: str) -> None:
    assert read(tmp_path, jats(attributes=stated)).language == language


def test_boxes_lists_quotes_definitions_dialogues_and_unknown_blocks(tmp_path: Path) -> None:
    body = (
        "<boxed-text><caption><title>Box 1</title><p>About.</p></caption><p>Boxed.</p></boxed-text>"
        "<list><list-item><label>1.</label><p>Item.</p></list-item></list>"
        "<disp-quote><p>Said.</p><attrib>Roe</attrib></disp-quote>"
        "<def-list><def-item><term>BP</term><def><p>Pressure.</p></def></def-item></def-list>"
        "<speech><speaker>Q</speaker><p>Why?</p></speech><statement><p>Lemma.</p></statement>"
        "<verse-group><verse-line>One</verse-line><verse-line>two</verse-line></verse-group>"
        "<new-element><p>In it.</p></new-element><other>Loose text.</other>"
        "<preformat>code  here</preformat><p/>"
    )
    assert text_of(tmp_path, body).split("\n") == [
        "Box 1", "About.", "Boxed.", "Item.", "Said.", "Roe", "BP", "Pressure.", "Q", "Why?",
        "Lemma.", "One two", "In it.", "Loose text.", "code here",
    ]  # fmt: skip


def test_appendices_come_after_the_body_and_nothing_else_of_the_back(tmp_path: Path) -> None:
    back = (
        "<ack><p>Thanks.</p></ack><app-group><app><title>Appendix A</title><p>More.</p></app>"
        "</app-group><app><title>B</title><sec><title>B1</title><p>Yet more.</p></sec></app>"
        "<fn-group><fn><p>Note.</p></fn></fn-group><glossary><p>Words.</p></glossary>"
        "<notes><p>Declared.</p></notes><bio><p>Born.</p></bio>"
    )
    text = text_of(tmp_path, "<p>Body.</p>", back=back).split("\n")
    assert sorted(text) == sorted(["Body.", "Appendix A", "More.", "B", "B1", "Yet more."])
    assert text[0] == "Body." and text.index("Appendix A") + 1 == text.index("More.")


def test_captions_stand_where_they_float_and_last_where_they_are_gathered(tmp_path: Path) -> None:
    group = (
        "<fig-group><caption><title>Both.</title></caption><fig><label>A</label><caption><p>Left."
        "</p></caption></fig></fig-group>"
    )
    body = f"<sec><title>Figures</title><fig>{CAPTION}</fig></sec><p>Then {group} this.</p>"
    floats = f"<floats-group><fig>{CAPTION}</fig></floats-group></article>"
    text = read(tmp_path, jats("1", body).replace("</article>", floats)).text
    assert text.split("\n") == [
        "Figures", "Figure 1. T. C.", "Then this.", "Both.", "A. Left.", "Figure 1. T. C.",
    ]  # fmt: skip


def test_boxes_and_molecules_within_a_paragraph_come_after_it(tmp_path: Path) -> None:
    body = (
        f"<p>One <boxed-text><title>Box</title><p>In <fig>{CAPTION}</fig> it.</p></boxed-text> two"
        "<italic><chem-struct-wrap><label>Molecule 1.</label><caption><p>Acid. <bold>DOI:</bold> "
        "http://dx.doi.org/10.1/x</p></caption></chem-struct-wrap></italic>.</p>"
        "<boxed-text>Loose <bold>text</bold>.</boxed-text>"
    )
    assert text_of(tmp_path, body).split("\n") == [
        "One two.", "Box", "In it.", "Figure 1. T. C.", "Molecule 1. Acid.", "Loose text.",
    ]  # fmt: skip


def test_supplementary_files_tables_and_hidden_text_are_left_out(tmp_path: Path) -> None:
    body = (
        "<p>Shown<index-term><term>hidden</term></index-term><inline-graphic><alt-text>hidden"
        "</alt-text></inline-graphic><private-char><glyph-data>0110</glyph-data></private-char>."
        "</p><table-wrap><alternatives><graphic/><table><tr><td>9</td></tr></table></alternatives>"
        "</table-wrap><sec sec-type='supplementary-material'><title>Supporting Information</title>"
        "<supplementary-material><label>S1</label><caption><p>A file.</p></caption>"
        "</supplementary-material></sec><ref-list><ref><p>Cited.</p></ref></ref-list>"
    )
    assert text_of(tmp_path, body) == "Shown."


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (f"<alternatives>{TEX}{MATH}<graphic/></alternatives>", "a=b"),
        (f"<alternatives><mml:math/>{TEX}</alternatives>", "a = b"),
        (f"{TEX}{MATH}", "a=b"),
        (f"{MATH}", "a=b"),
        (f"{TEX}", "a = b"),
        ("<alternatives><graphic/><textual-form>a is b</textual-form></alternatives>", "a is b"),
        ("<italic>a</italic> = <italic>b</italic>", "a = b"),
        ("<graphic xlink:href='x.gif'/>", ""),
    ],
)
def test_a_formula_is_read_once(tmp_path: Path, formula: str, text: str) -> None:
    inline = f"<p>So <inline-formula>{formula}</inline-formula>.</p>"
    body = f"{inline}<disp-formula>{formula}</disp-formula>"
    lines = text_of(tmp_path, body).split("\n")
    assert lines[0].replace(" .", ".") == (f"So {text}." if text else "So.")
    assert lines[1:] == ([text] if text else [])


def test_comments_instructions_and_entities(tmp_path: Path) -> None:
    body = (
        "<!-- out --><?pi out?><p>One<!-- out --> two<?pi out?> three &alpha;&#x03b2; 4&deg;C"
        "&own;.</p><!-- out -->"
    )
    text = jats("1", body).replace('"JATS-archivearticle1.dtd">', '"x.dtd" [<!ENTITY own "evil">]>')
    assert read(tmp_path, text).text == "One two three \u03b1\u03b2 4\u00b0C."


@pytest.mark.parametrize("prefix", ["", "j:"])
def test_an_article_in_a_namespace(tmp_path: Path, prefix: str) -> None:
    space = "https://jats.nlm.nih.gov/ns/archiving/1.3/"
    declared = f"xmlns{':j' if prefix else ''}='{space}'"
    text = (
        (
            f"<OAI-PMH><{prefix}article {declared} xmlns:xlink='http://www.w3.org/1999/xlink'>"
            "<_front><_article-meta><_article-id pub-id-type='pmcid'>PMC7</_article-id>"
            "<_title-group><_article-title>T</_article-title></_title-group></_article-meta></_front><_body><_p>Text."
            "</_p><_fig id='F1'><_caption><_p>C.</_p></_caption><_graphic xlink:href='f1'/></_fig>"
            "</_body></_article></OAI-PMH>"
        )
        .replace("</_", f"</{prefix}")
        .replace("<_", f"<{prefix}")
    )
    found = read_article(write(tmp_path / "a.xml", text), tmp_path)
    assert isinstance(found, FullText)
    assert (found.article.pmcid, found.article.title) == ("PMC7", "T")
    assert found.article.text == "Text.\nC." and found.figures[0].graphic == "f1"


def test_an_article_of_front_matter_alone_is_an_abstract(tmp_path: Path) -> None:
    front = "<abstract><p>All there is.</p></abstract>"
    for body in ("<body><p>Body text</p></body>", "<body/>", ""):
        text = jats("1", "<p>Body text</p>", front=front)
        article = read(tmp_path, text.replace("<body><p>Body text</p></body>", body))
        assert article.kind == ("fulltext" if "<p>" in body else "abstract")
    assert article.text == "All there is."


def test_reviews_replies_and_translations_within_are_not_the_article(tmp_path: Path) -> None:
    sub = (
        "<{0}><front-stub><abstract><p>No.</p></abstract></front-stub><body><p>No.</p><fig id='R'>"
        "<caption><p>No.</p></caption></fig></body></{0}>"
    )
    text = jats("1", "<p>Mine.</p>")
    for name in ("sub-article", "response"):
        text = text.replace("</article>", f"{sub.format(name)}</article>")
    found = read_article(write(tmp_path / "a.nxml", text), tmp_path)
    assert isinstance(found, FullText)
    assert found.article.text == "Mine." and found.figures == []


def test_a_set_of_articles_gives_each(tmp_path: Path) -> None:
    articles = [jats(str(n), f"<p>Text {n}.</p>").partition('dtd">\n')[2] for n in (1, 2)]
    path = write(
        tmp_path / "set.xml",
        f"<pmc-articleset>{''.join(articles)}<article><front/></article></pmc-articleset>",
    )
    first, second, broken = read_articles(path, tmp_path)
    assert isinstance(first, FullText) and isinstance(second, FullText)
    assert [first.article.origin, second.article.origin] == ["set.xml#PMC1.1", "set.xml#PMC2.1"]
    assert broken == Reject("set.xml#3", "not-an-article", "no article-meta")
    whole = read_article(path, tmp_path)
    assert whole == Reject("set.xml", "several-articles", "3 articles in one file")


def test_old_dtd(tmp_path: Path) -> None:
    text = (
        '<!DOCTYPE article PUBLIC "-//NLM//DTD Journal Archiving and Interchange DTD v2.3 20070202'
        '//EN" "archivearticle.dtd"><article xmlns:xlink="http://www.w3.org/1999/xlink"><front>'
        "<journal-meta><journal-title>Old J</journal-title></journal-meta><article-meta>"
        "<article-id pub-id-type='pmc'>9</article-id><title-group><article-title>T<xref "
        "ref-type='fn' rid='n'>*</xref></article-title></title-group><copyright-statement>Roe. "
        "Creative Commons Attribution License.</copyright-statement></article-meta></front><body>"
        "<sec><title>A</title><p>B <citation>gone?</citation></p></sec></body><floats-wrap><fig "
        f"id='F'>{CAPTION}</fig></floats-wrap></article>"
    )
    article = read(tmp_path, text)
    assert (article.journal, article.title, article.licence) == ("Old J", "T", "CC BY")
    assert article.text == "A\nB gone?\nFigure 1. T. C."


def test_deep_nesting_and_a_bomb_are_rejects(tmp_path: Path) -> None:
    deep = "<sec>" * 600 + "<p>x</p>" + "</sec>" * 600
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    bomb = jats("1", "<p>&l8;</p>").replace(
        '"JATS-archivearticle1.dtd">', f'"x.dtd" [<!ENTITY l0 "ha">{lol}]>'
    )
    for name, text in (("deep.nxml", jats("1", deep)), ("bomb.nxml", bomb)):
        found = read_article(write(tmp_path / name, text), tmp_path)
        assert isinstance(found, Reject) and (found.origin, found.reason) == (name, "broken-xml")


NAMES = (
    "sec", "p", "title", "fig", "caption", "label", "xref", "sup", "boxed-text", "italic", "list",
    "table-wrap", "fig-group", "fn", "disp-formula", "alternatives", "any",
)  # fmt: skip
TREES = st.recursive(
    st.sampled_from(["", "word", " two words. ", " [", "]", "Fig. 1"]),
    lambda inner: st.tuples(st.sampled_from(NAMES), st.lists(inner, max_size=4)).map(
        lambda node: (
            f"<{node[0]} ref-type='{'bibr' if len(node[1]) % 2 else 'fig'}' rid='F'>"
            f"{''.join(node[1])}</{node[0]}>"
        )
    ),
    max_leaves=25,
)


@given(TREES)
@example("<sec ref-type='fig' rid='F'> two words. <xref ref-type='fig' rid='F'></xref></sec>")
def test_any_tree_gives_lines_of_clean_text(tree: str) -> None:
    for block in read_blocks(etree.fromstring(f"<body>{tree}</body>")):
        assert block.text and block.text == " ".join(block.text.split())
        assert not re.search("[\ue000-\ue002]", block.text)
        assert squeeze(MARK.sub("", block.marked)) == block.text or block.kind == "caption"


def test_sections_can_be_found_again_in_every_real_article(shared_data: Path) -> None:
    root = shared_data / "pmc_oa"
    for path in sorted(root.glob("*.nxml")):
        found = read_article(path, root)
        assert isinstance(found, FullText)
        marked = mark_sections(found.article.text, found.article.sections)
        parts = marked.split("\n\n")
        begins = [part.partition("\n")[0] for part in parts[-len(found.article.sections) :]]
        assert begins == found.article.sections
        assert "\n".join(parts) == found.article.text
