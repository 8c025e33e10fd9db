"""The corpus card: its numbers are those that one counts by hand, and the page says them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.config import Params
from components.errors import UserError
from components.lineage import write_manifest
from components.pubmed.licences import PUBLISHER
from components.records import Article, Figure, write_records
from components.report import lengths
from components.report.corpus import count_corpus
from components.report.corpus_charts import draw_fates, plot_lengths, plot_years, view_corpus
from components.report.inputs import Corpus, Lengths, ReportInputs, SourceFile, TokenCounts
from components.report.lengths import choose_texts, estimate_total, place_in_bin
from components.report.numbers import print_rounded, print_share
from components.report.page import build_report
from components.tokenization.text import space_words
from components.tokenization.vocabulary import Vocabulary, train_vocabulary
from tests.components.report.test_collect import ARTICLE
from tests.components.report.test_page import Outline, words

FIGURE = Figure("f1", "PMC1", "1", "The heart.", [], "g", "i1", "CC BY", "ct", "b.nxml#PMC1/f1")
ARTICLES = [
    replace(ARTICLE, text="the heart is large", origin="d/a.xml.gz#1", language="eng,fre",
            publication_types=["Review", "Journal Article"], journal="J"),
    replace(ARTICLE, text="The  LUNG\nis clear", origin="d/a.xml.gz#2", year=1999, concern=True,
            publication_types=["Journal Article"], licence="© 2015 A journal.", journal=""),
    replace(ARTICLE, text="no", origin="d/c.xml#7", year=0, licence="", journal="K",
            origin_sha256="1", retracted=True, concern=True),
    replace(ARTICLE, kind="fulltext", text="Aim\nThe heart and the lung.", origin="b.nxml#PMC1.1",
            publication_types=["research-article"], origin_sha256="2", journal="J"),
]  # fmt: skip
FIGURES = [FIGURE, replace(FIGURE, id="f2", modality="", licence="CC0", caption="A Lung")]


def write_corpus(root: Path, shards: list[list[Article]]) -> Path:
    folder = root / "articles"
    for number, shard in enumerate(shards):
        write_records(folder / f"articles/u{number}/a.parquet", Article, shard)
    write_records(folder / "figures/f.parquet", Figure, FIGURES)
    return folder


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocabulary")
    train_vocabulary([space_words(a.text) for a in ARTICLES], 30, 8, 10).save(folder)
    write_manifest(
        folder, stage="build_vocabulary", identity={}, settings={}, inputs=[],
        counts={"in": 1, "out": 1},
    )  # fmt: skip
    return folder


@pytest.fixture
def corpus(tmp_path: Path, vocabulary: Path, params: Params) -> Corpus:
    found = count_corpus(write_corpus(tmp_path, [ARTICLES]), vocabulary, params)
    assert found is not None
    return found


def test_counts_are_those_by_hand(corpus: Corpus) -> None:
    assert corpus.articles_by_year == {"abstract": {0: 1, 1999: 1, 2001: 1}, "fulltext": {2001: 1}}
    assert corpus.num_by_kind == {"abstract": 3, "fulltext": 1} and corpus.num_articles == 4
    types = {"Journal Article": 2, "Review": 1, "research-article": 1, "": 1}
    assert corpus.publication_types == types
    assert corpus.languages == {"eng": 4, "fre": 1}
    assert corpus.licences == {
        "abstract": {"CC BY": 1, "": 1, PUBLISHER: 1},
        "fulltext": {"CC BY": 1},
        "figure": {"CC BY": 1, "CC0": 1},
    }
    assert corpus.states == {"sound": 2, "concern": 1, "retracted": 1}
    assert (corpus.num_journals, corpus.num_figures, corpus.num_sources) == (2, 2, 3)
    assert corpus.figure_modalities == {"ct": 1, "": 1}
    assert corpus.sources == [
        SourceFile("d/a.xml.gz", "0", 2, 0, 1999, 2001),
        SourceFile("b.nxml", "2", 0, 1, 2001, 2001),
        SourceFile("d/c.xml", "1", 1, 0, 0, 0),
    ]


def test_every_token_of_few_texts_is_counted(
    corpus: Corpus, vocabulary: Path, params: Params
) -> None:
    encode = Vocabulary.load(vocabulary).encode
    abstracts = sorted([
        len(encode(" t the heart is large")), len(encode(" t the lung is clear")),
        len(encode(" t no")),
    ])  # fmt: skip
    first, second, third = corpus.lengths
    assert [one.kind for one in corpus.lengths] == ["abstract", "fulltext", "caption"]
    assert first.num_chars == sum(len(f"t\n{a.text}") for a in ARTICLES[:3])
    assert first.longest_chars == len("t\nthe heart is large")
    assert first.tokens is not None and second.tokens is not None and third.tokens is not None
    assert first.tokens.total == sum(abstracts) and first.tokens.half_width == 0
    assert first.tokens.num_counted == 3
    assert (first.tokens.median, first.tokens.longest) == (abstracts[1], abstracts[2])
    assert sum(first.tokens.bins.values()) == 3
    assert second.tokens.total == len(encode(" t aim the heart and the lung."))
    assert third.tokens.total == len(encode(" The heart.")) + len(encode(" A Lung"))
    assert (first.limit, third.limit) == (
        params.pretrain.max_source_tokens,
        params.pretrain.max_target_tokens,
    )


def test_shards_count_as_the_one_file(
    tmp_path: Path, vocabulary: Path, params: Params, corpus: Corpus
) -> None:
    shards = write_corpus(tmp_path / "cut", [ARTICLES[:1], [], ARTICLES[1:]])
    assert count_corpus(shards, vocabulary, params) == corpus


def test_without_a_vocabulary_characters_are_counted(tmp_path: Path, params: Params) -> None:
    found = count_corpus(write_corpus(tmp_path, [ARTICLES]), tmp_path / "none", params)
    assert found is not None
    assert [one.tokens for one in found.lengths] == [None] * 3
    text = words(build_report(ReportInputs(params=params, cards={}, corpus=found)))
    assert "Tokens are counted once there is a vocabulary." in text and "not counted" in text
    assert count_corpus(tmp_path / "nowhere", tmp_path, params) is None
    (tmp_path / "bare/articles").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no Parquet file"):
        count_corpus(tmp_path / "bare", tmp_path, params)


def test_a_damaged_shard_is_an_error_with_the_stage(tmp_path: Path, params: Params) -> None:
    folder = write_corpus(tmp_path, [ARTICLES[:2], ARTICLES[2:]])
    write_manifest(
        folder, stage="ingest_pubmed", identity={}, settings={}, inputs=[],
        counts={"in": 4, "out": 4},
    )  # fmt: skip
    shard = folder / "articles/u1/a.parquet"
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(UserError, match="is damaged") as caught:
        count_corpus(folder, tmp_path, params)
    assert caught.value.next_command.endswith(" ingest_pubmed")


def many_articles() -> Iterator[Article]:
    generator = np.random.default_rng(4)
    pool = ["heart", "lung", "the", "is", "clear", "large", "zygomatic"]
    for number in range(400):
        chosen = generator.choice(pool, generator.integers(5, 60))
        kind = ("abstract", "fulltext")[number % 4 == 0]
        yield replace(ARTICLE, kind=kind, text=" ".join(chosen), origin=f"a#{number}")


def test_of_many_texts_a_sample_gives_the_total_with_its_interval(
    tmp_path: Path, vocabulary: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    articles = list(many_articles())
    folder = write_corpus(tmp_path, [articles[:150], articles[150:]])
    exact = count_corpus(folder, vocabulary, params)
    monkeypatch.setattr(lengths, "MAX_COUNTED", 250)
    monkeypatch.setattr(lengths, "NUM_DRAWN", 120)
    found = count_corpus(folder, vocabulary, params)
    assert exact is not None and found is not None and exact.lengths[0].tokens is not None
    drawn, few = found.lengths[0].tokens, found.lengths[1].tokens
    assert few == exact.lengths[1].tokens  # 100 texts: all of them
    assert drawn is not None and drawn.num_counted == 120
    assert 0 < drawn.half_width < 0.05 * drawn.total
    assert abs(drawn.total - exact.lengths[0].tokens.total) < 2 * drawn.half_width
    assert count_corpus(folder, vocabulary, params) == found  # the same seed, the same texts
    page = build_report(ReportInputs(params=params, cards={}, corpus=found))
    assert f"± {print_share(drawn.half_width, drawn.total, 2)}, from 120" in words(page)
    assert "all counted" in words(page) and "tokens of text, estimated" in words(page)


def test_the_interval_covers_the_total_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    chars_N = generator.integers(200, 4000, 5000)
    tokens_N = (chars_N * generator.normal(0.25, 0.03, 5000)).astype(np.int64)
    covered, repeats = 0, 400
    for _ in range(repeats):
        drawn = generator.choice(5000, 300, replace=False)
        total, half = estimate_total(
            tokens_N[drawn], chars_N[drawn], 5000, int(chars_N.sum()), 0.95
        )
        covered += abs(total - tokens_N.sum()) <= half
    assert 0.92 < covered / repeats < 0.98


def test_texts_are_drawn_once_each_in_order() -> None:
    assert choose_texts(7, 1).tolist() == list(range(7))
    drawn = choose_texts(10**6, 1)
    assert len(set(drawn.tolist())) == lengths.NUM_DRAWN and (np.diff(drawn) > 0).all()
    assert drawn.tolist() == choose_texts(10**6, 1).tolist() != choose_texts(10**6, 2).tolist()


def test_bins_begin_at_a_quarter_of_a_doubling() -> None:
    assert [place_in_bin(n) for n in (0, 1, 2, 3, 4, 1024, 1023)] == [0, 0, 4, 6, 8, 40, 39]


def test_years_keep_the_place_of_an_empty_year() -> None:
    chart = plot_years({"abstract": {2000: 2, 2003: 4}, "fulltext": {2003: 1, 0: 9}})
    assert chart is not None
    assert [year for _, _, year, _ in chart.bars] == [2000, 2001, 2002, 2003]
    assert [len(stack) for _, _, _, stack in chart.bars] == [1, 0, 0, 2]
    assert (chart.num_older, chart.num_unstated) == (0, 9)
    assert plot_years({"abstract": {0: 3}}) is None


def test_years_that_are_not_drawn_are_told() -> None:
    chart = plot_years({"abstract": {1809: 2, 1900: 3, 2020: 50}})
    assert chart is not None and len(chart.bars) == 60
    assert chart.num_older == 5
    ends = [x + width for x, width, _, _ in chart.bars]
    assert max(ends) <= 100 and [year for _, year in chart.labels][-1] == 2020


def test_lengths_lie_in_the_plot_and_say_what_they_are() -> None:
    counts = TokenCounts(60, 0.0, 5, 8, 16, 20, 20, 1, {12: 2, 16: 3})
    plot = plot_lengths([Lengths("abstract", 5, 300, 90, 1024, counts)])
    assert plot is not None
    (row,) = plot.rows
    assert plot.ticks[0] == (0.0, "8") and row.limit < 100
    assert [says for *_, says in row.bars] == ["8 to 9 tokens: 2 texts", "16 to 19 tokens: 3 texts"]
    assert row.median == row.bars[1][0]
    assert all(y + height == plot.height for _, _, y, height, _ in row.bars)
    assert plot_lengths([Lengths("abstract", 5, 300, 90, 96, None)]) is None


def test_fates_add_up_to_all_that_was_read() -> None:
    manifest = {
        "counts": {"in": 20, "out": 12, "quarantined": 8},
        "quarantine": {"deleted": 5, "broken": 3}, "rules": ["deleted"],
    }  # fmt: skip
    fates = draw_fates(manifest)
    assert [(fate.name, fate.count, fate.width) for fate in fates] == [
        ("in the corpus", 12, 60.0),
        ("left out by rule", 5, 25.0),
        ("unusable", 3, 15.0),
    ]
    assert fates[-1].x + fates[-1].width == 100


def test_the_card_is_on_the_page(inputs: ReportInputs) -> None:
    view = view_corpus(inputs)
    assert view is not None and view.num_left_out == {"retracted": 14}
    page = build_report(inputs)
    text = words(page)
    for part in (
        "1,237 in the corpus",
        "23 unusable",
        "Left out: retracted 14",
        "Licences of figures",
        "± 0.31 %, from 1,000",
        "Source files (31)",
        "And 30 more files",
        "Not shown: 12 older",
        "Without a year: 7",
    ):
        assert part in text, part
    assert ("a", {"href": "#quarantine"}) in Outline(page).found


@pytest.mark.parametrize(
    ("value", "printed"),
    [(999_499, "999,499"), (999_600, "1 million"), (12_345_678, "12.3 million"),
     (57_100_000_000, "57.1 billion")],
)  # fmt: skip
def test_large_numbers_are_rounded(value: int, printed: str) -> None:
    assert print_rounded(value) == printed
