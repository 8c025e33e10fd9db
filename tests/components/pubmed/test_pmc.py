"""PMC articles: identity, versions, metadata, figures and their files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.lineage import hash_bytes
from components.pubmed.figures import find_image, read_image
from components.pubmed.pmc import FullText, read_article
from components.records import Reject
from tests.components.pubmed.conftest import jats, write

FIG = (
    "<fig id='{id}'><label>Figure {id}</label><caption><title>A.</title><p>Caption {id}.</p>"
    "</caption><graphic xlink:href='{href}'/>{more}</fig>"
)


def picture(colour: int = 7) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (6, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def read(root: Path, text: str, name: str = "a.nxml") -> FullText:
    found = read_article(write(root / name, text), root)
    assert isinstance(found, FullText), found
    return found


def test_fields_of_an_article(tmp_path: Path) -> None:
    ids = (
        '<article-id pub-id-type="pmid">55</article-id>'
        '<article-id pub-id-type="doi">10.1/y</article-id>'
    )
    front = (
        "<abstract><sec><title>Aim</title><p>To test.</p></sec></abstract>"
        "<abstract abstract-type='graphical'><p>Never shown.</p></abstract>"
        "<permissions><license xlink:href='http://creativecommons.org/licenses/by/4.0/'/>"
        "</permissions>"
    )
    body = "<sec><title>Methods</title><p>We did.</p></sec>"
    article = read(tmp_path, jats("123", body, ids=ids, front=front)).article
    assert article.text == "Aim\nTo test.\nMethods\nWe did."
    assert article.sections == ["Aim", "Methods"]
    assert (article.pmid, article.pmcid, article.doi) == ("55", "PMC123", "10.1/y")
    assert (article.version, article.kind, article.language) == (1, "fulltext", "eng")
    assert (article.year, article.journal, article.licence) == (2011, "J of Tests", "CC BY 4.0")
    assert (article.retracted, article.concern) == (False, False)
    assert article.origin == "a.nxml#PMC123.1" and len(article.origin_sha256) == 64


def test_old_dtd_journal_and_body_only_article(tmp_path: Path) -> None:
    text = jats().replace("<journal-title-group>", "").replace("</journal-title-group>", "")
    assert read(tmp_path, text).article.journal == "J of Tests"


@pytest.mark.parametrize(
    ("name", "ids", "version"),
    [
        ("PMC1.2/PMC1.2.xml", "", 2),
        ("PMC1.3/article.nxml", "", 3),
        ("a.nxml", '<article-id pub-id-type="pmcid-ver">PMC1.4</article-id>', 4),
        ("a.nxml", "", 1),
    ],
)
def test_version_from_wherever_it_is_stated(
    tmp_path: Path, name: str, ids: str, version: int
) -> None:
    article = read(tmp_path, jats("PMC1", ids=ids), name).article
    assert (article.pmcid, article.version) == ("PMC1", version)


@pytest.mark.parametrize("place", ["PMC1.2/PMC1.2.json", "metadata/PMC1.2.json"])
def test_metadata_wins(tmp_path: Path, place: str) -> None:
    metadata = {
        "pmcid": "PMC1", "version": 2, "pmid": 44, "license_code": "CC BY-NC", "is_retracted": True,
    }  # fmt: skip
    write(tmp_path / place, json.dumps(metadata))
    article = read(tmp_path, jats("1"), "PMC1.2/PMC1.2.xml").article
    assert (article.version, article.pmid, article.licence) == (2, "44", "CC BY-NC")
    assert article.retracted


@pytest.mark.parametrize(
    ("text", "metadata", "reason"),
    [
        ("<article><cut", "", "broken-xml"),
        ("", "", "broken-xml"),
        ("<html/>", "", "not-an-article"),
        ("<article><front/></article>", "", "not-an-article"),
        (jats(), "{broken", "broken-metadata"),
        (jats(), "[]", "broken-metadata"),
    ],
)
def test_files_that_are_no_article(tmp_path: Path, text: str, metadata: str, reason: str) -> None:
    if metadata:
        write(tmp_path / "a.json", metadata)
    found = read_article(write(tmp_path / "a.nxml", text), tmp_path)
    assert isinstance(found, Reject) and (found.origin, found.reason) == ("a.nxml", reason)


def test_notices_retracted_titles_and_concerns(tmp_path: Path) -> None:
    related = (
        "<related-article related-article-type='{}' ext-link-type='doi' "
        "xlink:href='https://doi.org/10.1/Bad'/>"
    )
    notice = read(
        tmp_path,
        jats(attributes='article-type="retraction"', front=related.format("retracted-article")),
    )
    assert notice.is_notice and not notice.article.retracted
    assert notice.retracts == ["10.1/Bad"]
    assert read(tmp_path, jats(title="RETRACTED: It works")).article.retracted
    doubted = read(tmp_path, jats(front=related.format("object-of-concern")))
    assert doubted.article.concern and not doubted.is_notice


RELATED = "<related-article related-article-type='{}' ext-link-type='{}' xlink:href='{}'/>"


@pytest.mark.parametrize(
    ("flag", "retracted"),
    [("true", True), ("Yes", True), (1, True), ("no", False), (False, False), (None, False)],
)
def test_a_flag_of_retraction_is_read_in_words(
    tmp_path: Path, flag: object, retracted: bool
) -> None:
    write(tmp_path / "a.json", json.dumps({"is_retracted": flag}))
    assert read(tmp_path, jats()).article.retracted == retracted


def test_a_flag_of_retraction_that_says_neither_lets_nothing_through(tmp_path: Path) -> None:
    write(tmp_path / "a.json", '{"is_retracted": "perhaps"}')
    found = read_article(write(tmp_path / "a.nxml", jats()), tmp_path)
    assert found == Reject("a.nxml", "broken-metadata", "is_retracted is 'perhaps'")


@pytest.mark.parametrize(
    ("kind", "stated", "named"),
    [
        ("doi", "10.1/Bad", "10.1/Bad"),
        ("doi", "http://doi.org/10.1/Bad", "10.1/Bad"),
        ("doi", "https://dx.doi.org/10.1/Bad", "10.1/Bad"),
        ("doi", " HTTP://DX.DOI.ORG/10.1%2FBad", "10.1/Bad"),
        ("doi", "doi:10.1/Bad", "10.1/Bad"),
        ("doi", "DOI: 10.1/Bad", "10.1/Bad"),
        ("uri", "info:doi/10.1/Bad", "10.1/Bad"),
        ("uri", "doi.org/10.1/Bad", "10.1/Bad"),
        ("pmc", "77", "PMC77"),
        ("pmcid", "PMC77", "PMC77"),
        ("pubmed", "77", "77"),
    ],
)
def test_a_notice_names_what_it_retracts_in_many_ways(
    tmp_path: Path, kind: str, stated: str, named: str
) -> None:
    related = RELATED.format("retracted-article", kind, stated)
    notice = read(tmp_path, jats(attributes='article-type="retraction"', front=related))
    assert (notice.retracts, notice.article.retracted) == ([named], False)


def test_an_article_that_points_to_its_own_retraction_is_retracted(tmp_path: Path) -> None:
    forward = RELATED.format("retraction-forward", "doi", "10.1/notice")
    bad = read(tmp_path, jats(front=forward))
    assert bad.article.retracted and not bad.is_notice and bad.retracts == []
    assert read(tmp_path, jats(attributes='article-type="retracted-article"')).article.retracted
    concern = RELATED.format("concern-forward", "doi", "10.1/notice")
    assert read(tmp_path, jats(front=concern)).article.concern
    other = RELATED.format("retracted-article", "doi", "10.1/other")  # a letter about a bad one
    assert not read(tmp_path, jats(front=other)).article.retracted


def test_a_doi_is_kept_without_its_address(tmp_path: Path) -> None:
    ids = '<article-id pub-id-type="doi">https://doi.org/10.1/y</article-id>'
    assert read(tmp_path, jats(ids=ids)).article.doi == "10.1/y"


def test_language(tmp_path: Path) -> None:
    article = read(tmp_path, jats(attributes='xml:lang="fr"')).article
    assert article.language == "fre"


def test_figures_with_captions_mentions_and_licence(tmp_path: Path) -> None:
    own = (
        "<permissions><license xlink:href='http://creativecommons.org/licenses/by-nc/4.0/'/>"
        "</permissions>"
    )
    body = (
        "<p>It is so. See <xref ref-type='fig' rid='F1'>Fig. 1</xref> for it.</p>"
        + FIG.format(id="F1", href="one", more="")
        + FIG.format(id="F2", href="two.png", more=own)
    )
    sub = f"<sub-article><body>{FIG.format(id='F9', href='x', more='')}</body></sub-article>"
    text = jats("5", body).replace("</article>", f"{sub}</article>")
    first, second = read(tmp_path, text).figures
    assert (first.id, first.label, first.caption) == ("PMC5.1/F1", "Figure F1", "A. Caption F1.")
    assert (first.mentions, first.graphic) == (["See Fig. 1 for it."], "one")
    assert (first.licence, second.licence) == ("unknown", "CC BY-NC 4.0")
    assert (second.mentions, first.pmcid) == ([], "PMC5")
    assert first.origin == "a.nxml#PMC5.1/F1"


def test_figures_after_the_text_count_and_one_without_an_id_gets_a_number(tmp_path: Path) -> None:
    floats = FIG.format(id="F2", href="two", more="").replace("<fig id='F2'>", "<fig>")
    text = jats("5", FIG.format(id="F1", href="one", more=""))
    text = text.replace("</article>", f"<floats-group>{floats}</floats-group></article>")
    assert [figure.id for figure in read(tmp_path, text).figures] == [
        "PMC5.1/F1",
        "PMC5.1/figure-2",
    ]


def attach(root: Path, href: str) -> Any:
    found = read(root, jats("5", FIG.format(id="F1", href=href, more="")), "sub/a.nxml")
    (figure,) = found.figures
    path = find_image(figure.graphic, found.folder)
    return read_image(figure, path, found.folder, root, 1000)


@pytest.mark.parametrize(("href", "file"), [("one", "one.png"), ("one.png", "one.png"),
                                            ("pone.01.g001", "pone.01.g001.jpg")])  # fmt: skip
def test_image_is_found_with_and_without_suffix(tmp_path: Path, href: str, file: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / file).write_bytes(picture())
    image = attach(tmp_path, href)
    assert image.id == hash_bytes(picture())
    assert (image.bytes, image.width, image.height) == (picture(), 6, 4)


def test_figure_without_image_file_is_told(tmp_path: Path) -> None:
    assert attach(tmp_path, "missing") == Reject("sub/a.nxml#PMC5.1/F1", "no-image", "missing")


def test_images_that_must_not_be_used(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside.png").write_bytes(picture())
    (root / "sub/broken.png").write_bytes(picture()[:30])
    (root / "sub/link.png").symlink_to(tmp_path / "outside.png")
    (root / "PMC2.1").mkdir()
    (root / "PMC2.1/other.png").write_bytes(picture())
    for href, reason in (
        ("../../outside.png", "path-outside"),
        ("../PMC2.1/other.png", "path-outside"),
        (str(tmp_path / "outside.png"), "path-outside"),
        ("link", "path-outside"),
        ("broken", "unknown-image-format"),
    ):
        rejected = attach(root, href)
        assert isinstance(rejected, Reject) and rejected.reason == reason, href


def test_an_image_that_dvc_has_linked_to_its_cache_is_taken(tmp_path: Path) -> None:
    root, kept = tmp_path / "root", tmp_path / "cache/files/md5/0a" / ("1f" * 15)
    for folder in (root / "sub", kept.parent):
        folder.mkdir(parents=True)
    kept.write_bytes(picture())
    (root / "sub/one.png").symlink_to(kept)
    assert attach(root, "one").bytes == picture()


@pytest.mark.parametrize(
    "metadata",
    ['{"version": 99999999999}', '{"license_code": "\\ud800"}', "[" * 100_000, '{"version": -1}'],
)
def test_metadata_that_cannot_be_kept_is_a_reject(tmp_path: Path, metadata: str) -> None:
    path = write(tmp_path / "a.nxml", jats())
    (tmp_path / "a.json").write_text(metadata)
    found = read_article(path, tmp_path)
    assert isinstance(found, Reject) and found.reason == "broken-metadata"


def test_a_version_that_is_no_number_is_read_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path / "PMC1.4.nxml", jats())
    (tmp_path / "PMC1.4.json").write_text('{"version": true}')
    found = read_article(path, tmp_path)
    assert isinstance(found, FullText)
    assert found.article.version == 4 and found.article.version is not True


@pytest.mark.parametrize("year", ["20²", "99999999999", "٢٠٢٠"])
def test_a_year_that_is_none_is_passed_over(tmp_path: Path, year: str) -> None:
    front = f"<pub-date><year>{year}</year></pub-date>"
    assert read(tmp_path, jats(front=front)).article.year == 2011  # the other date's
