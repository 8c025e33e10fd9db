"""Figures: where they stand, what belongs to them, and which file is theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.pubmed.figures import find_image, read_image
from components.pubmed.pmc import FullText, read_article
from components.records import Figure, Reject
from tests.components.pubmed.conftest import jats, write
from tests.components.pubmed.test_pmc import picture

BY = (
    "<permissions><license xlink:href='http://creativecommons.org/licenses/by/4.0/'/></permissions>"
)


def figures(root: Path, body: str, front: str = "", **parts: str) -> list[Figure]:
    text = jats("5", body, front=front, **parts)
    found = read_article(write(root / "a.nxml", text), root)
    assert isinstance(found, FullText), found
    return found.figures


def fig(name: str, label: str = "", graphic: str = "g", caption: str = "C.", more: str = "") -> str:
    return (
        f"<fig id='{name}'><label>{label}</label><caption><p>{caption}</p></caption>"
        f"<graphic xlink:href='{graphic}'/>{more}</fig>"
    )


@pytest.mark.parametrize(
    ("label", "sentence", "is_mentioned"),
    [
        ("Figure 2", "See Fig. 2.", True),
        ("Fig. 2.", "See Figs 1 and 2.", True),
        ("FIGURE 2", "See Figure 2A-C.", True),
        ("Figure 2", "See Figures 1\u20134.", True),
        ("Figure 2", "See <xref ref-type='fig' rid='F1'>Figs. 1</xref>\u2013"
         "<xref ref-type='fig' rid='F4'>4</xref>.", True),
        ("Anything", "See <xref ref-type='fig' rid='F1 X'>it</xref>.", True),
        ("Figure S2", "See supplementary figure 2.", True),
        ("Figure 2", "See supplementary figure 2.", False),
        ("Figure 2", "See Figure 22.", False),
        ("Figure 2", "See Table 2.", False),
        ("Figure 2", "See Fig. 2 in Roe et al.", False),
    ],
)  # fmt: skip
def test_mentions_by_reference_and_by_words(
    tmp_path: Path, label: str, sentence: str, is_mentioned: bool
) -> None:
    (found,) = figures(tmp_path, f"<p>Not this. {sentence} Nor that.</p>{fig('X', label)}")
    assert len(found.mentions) == is_mentioned
    assert all(mention.startswith("See") for mention in found.mentions)


def test_a_figure_without_label_is_named_by_its_caption(tmp_path: Path) -> None:
    body = f"<p>As Fig. 3 shows.</p>{fig('X', '', caption='Figure 3. Of it.')}"
    (found,) = figures(tmp_path, body)
    assert (found.label, found.mentions) == ("", ["As Fig. 3 shows."])


def test_captions_mention_no_figure_and_lose_their_citation_marks(tmp_path: Path) -> None:
    cited = "As Figure 1 [<xref ref-type='bibr' rid='b'>7</xref>] has it."
    (found,) = figures(tmp_path, fig("F1", "Figure 1", caption=cited))
    assert (found.caption, found.mentions) == ("As Figure 1 has it.", [])


def test_a_group_gives_its_figures_label_caption_and_mentions(tmp_path: Path) -> None:
    group = (
        "<fig-group id='G'><label>Figure 1</label><caption><title>Both.</title></caption>"
        "<fig id='A'><label>A</label><caption><p>Left.</p></caption><graphic xlink:href='a'/></fig>"
        "<fig id='B'><graphic xlink:href='b'/></fig></fig-group>"
    )
    body = f"<p>See <xref ref-type='fig' rid='G'>it</xref>. And Figure 1.</p>{group}"
    first, second = figures(tmp_path, body)
    assert (first.label, first.caption, first.graphic) == ("A", "Both. Left.", "a")
    assert (second.label, second.caption, second.graphic) == ("Figure 1", "Both.", "b")
    assert (first.mentions, second.mentions) == (["See it."], ["See it.", "And Figure 1."])


def test_a_figure_of_several_images_gives_one_record_each(tmp_path: Path) -> None:
    more = (
        "<graphic xlink:href='two.tif'/><graphic xlink:href='two.jpg'/>"
        "<graphic xlink:href='small' specific-use='thumbnail'/><alternatives>"
        "<graphic xlink:href='three.tif'/><graphic xlink:href='three-web.png'/></alternatives>"
        "<media xlink:href='film.mp4'/>"
    )
    found = figures(tmp_path, fig("F1", "Figure 1", "one", more=more))
    assert [(f.id, f.graphic) for f in found] == [
        ("PMC5.1/F1", "one"), ("PMC5.1/F1-2", "two.tif"), ("PMC5.1/F1-3", "three.tif"),
    ]  # fmt: skip
    assert len({f.caption for f in found}) == 1


def test_figures_in_boxes_appendices_and_paragraphs_count_once(tmp_path: Path) -> None:
    body = f"<boxed-text><p>Box {fig('F1')}</p></boxed-text><p>Text {fig('F2')}</p>"
    back = f"<app><p>App.</p>{fig('F3')}</app>"
    found = figures(tmp_path, body, back=back)
    assert [f.id for f in found] == ["PMC5.1/F1", "PMC5.1/F2", "PMC5.1/F3"]


def test_an_id_that_stands_twice_names_two_figures(tmp_path: Path) -> None:
    found = figures(tmp_path, fig("F1") + fig("F1") + fig("F1-2"))
    assert [f.id for f in found] == ["PMC5.1/F1", "PMC5.1/F1-2", "PMC5.1/F1-2-2"]


def test_supplementary_images_are_figures_and_other_files_are_not(tmp_path: Path) -> None:
    body = (
        "<p>See Figure S1.</p><supplementary-material id='s1' xlink:href='x.s001.TIF'>"
        "<label>Figure S1</label><caption><p>More.</p></caption></supplementary-material>"
        "<supplementary-material id='s2'><label>Figure S2</label><caption><p>Yet more.</p>"
        "</caption><media xlink:href='y.jpg'/></supplementary-material>"
        "<supplementary-material id='s3'><media xlink:href='z.pdf'/></supplementary-material>"
        f"<supplementary-material id='s4'>{fig('F4')}</supplementary-material>"
    )
    found = figures(tmp_path, body)
    assert [(f.id, f.graphic, f.label) for f in found] == [
        ("PMC5.1/s1", "x.s001.TIF", "Figure S1"),
        ("PMC5.1/s2", "y.jpg", "Figure S2"),
        ("PMC5.1/F4", "g", ""),
    ]
    assert found[0].mentions == ["See Figure S1."]


@pytest.mark.parametrize(
    ("inside", "licence"),
    [
        ("", "CC BY 4.0"),
        ("<permissions><license xlink:href='http://creativecommons.org/licenses/by-nc/2.0/'/>"
         "</permissions>", "CC BY-NC 2.0"),
        ("<permissions><copyright-statement>(c) A Press</copyright-statement></permissions>",
         "unknown"),
        ("<attrib>Reproduced from Roe (2001) with kind permission of A Press.</attrib>", "unknown"),
        ("<attrib>Drawn by the authors. Permission was not needed.</attrib>", "CC BY 4.0"),
    ],
)  # fmt: skip
def test_somebody_elses_figure_has_not_the_articles_licence(
    tmp_path: Path, inside: str, licence: str
) -> None:
    (found,) = figures(tmp_path, fig("F1", more=inside), front=BY)
    assert found.licence == licence


def attach(root: Path, graphic: str, *files: str) -> str:
    """The name of the file that is taken for a graphic, or the reason that none is."""
    (root / "p").mkdir(parents=True)
    for number, file in enumerate(files):
        (root / "p" / file).parent.mkdir(parents=True, exist_ok=True)
        (root / "p" / file).write_bytes(picture(number))
    (figure,) = figures(root / "p", fig("F1", graphic=graphic))
    found = read_image(figure, find_image(figure.graphic, root / "p"), root / "p", root, 1000)
    if isinstance(found, Reject):
        return found.reason
    return next(file for file in files if (root / "p" / file).read_bytes() == found.bytes)


@pytest.mark.parametrize(
    ("graphic", "files", "taken"),
    [
        ("f1", ("f1.gif", "f1.tif", "f1.jpg"), "f1.jpg"),
        ("f1", ("f1.gif", "f1.tif"), "f1.tif"),
        ("f1", ("f1.JPG",), "f1.JPG"),
        ("F1", ("f1.jpg",), "f1.jpg"),
        ("f1", ("F1.PNG",), "F1.PNG"),
        ("f1.tif", ("f1.jpg", "f1.gif"), "f1.jpg"),
        ("f1.tif", ("f1.jpg", "f1.tif"), "f1.tif"),
        ("images/f1.tif", ("f1.jpg",), "f1.jpg"),
        ("images/f1", ("images/f1.png", "f1.jpg"), "images/f1.png"),
        ("a.1.g001", ("a.1.jpg", "a.1.g001.jpg"), "a.1.g001.jpg"),
        ("f1", ("f11.jpg", "f1.pdf"), "no-image"),
        ("f1.pdf", ("f1.pdf",), "no-image"),
        ("f", ("f1.jpg",), "no-image"),
    ],
)
def test_the_file_of_a_graphic(
    tmp_path: Path, graphic: str, files: tuple[str, ...], taken: str
) -> None:
    assert attach(tmp_path, graphic, *files) == taken


@pytest.mark.parametrize("graphic", ["x" * 300, "../" * 3 + "etc/passwd", ".", "..", "/", "p/"])
def test_odd_names_of_graphics_find_nothing(tmp_path: Path, graphic: str) -> None:
    assert attach(tmp_path / "root", graphic, "f1.jpg") == "no-image"
