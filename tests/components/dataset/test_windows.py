"""Windows: a document exactly once, whole words, no more tokens than fit, cut where it is best."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from components.dataset.windows import Documents, Windows, cut, mark_sections
from components.errors import UserError
from components.pubmed.pmc import FullText, read_article
from components.tokenization.vocabulary import Vocabulary, read_vocabulary

FIXTURE = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = st.text("abcDE.,1(\u00e9\u03b1\u4e2d\U0001f9e0", min_size=1, max_size=7)
GAPS = st.sampled_from([" "] * 12 + ["\n"] * 2 + ["\n\n"])
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=80).map(lambda w: "".join(a + b for a, b in w))


def pieces(text: str, max_bytes: int) -> list[str]:
    content = text.encode()
    ends = [0, *cut(content, 0, len(content), max_bytes)]
    return [content[a:b].decode() for a, b in pairwise(ends)]


@given(st.lists(TEXTS, max_size=4), st.integers(6, 60))
@example(["abc." * 400, "\u0130\u0130\U0001f9e0"], 6)
@FIXTURE
def test_windows_cover_every_document_once_in_whole_words_within_the_limit(
    vocabulary: Vocabulary, texts: list[str], limit: int
) -> None:
    windows = Windows(Documents(texts), vocabulary, limit)
    parts = [part for i in range(len(windows)) for part in windows.parts(i)]
    assert all(len(part) <= limit for part in parts)
    words = "".join(vocabulary.decode(part) for part in parts).split()
    expected = "\n".join(texts).lower().split()
    if all(len(vocabulary.encode(f" {word}")) <= limit for word in expected):
        assert words == expected  # in order, none split, none twice
    else:
        assert "".join(words) == "".join(expected)
    assert all(parts)


@given(TEXTS, st.integers(120, 300))
@FIXTURE
def test_no_window_is_a_crumb(text: str, max_bytes: int) -> None:
    found = pieces(text.strip(), max_bytes)
    assert "".join(found) == text.strip()
    assert all(len(piece.encode()) <= max_bytes for piece in found)
    longest = max((len(word.encode()) + 1 for word in text.split()), default=0)
    if len(found) > 1:
        assert all(len(piece.encode()) >= max_bytes // 2 - longest for piece in found)


def test_sections_then_paragraphs_then_sentences_then_words() -> None:
    one, two = "Some words here. And more of Fig. 1 as", "well"
    assert pieces(f"{one} {two} {one} {two}", 50)[0] == f"{one} {two} Some "
    assert pieces(f"x {one} so. {one} {two}", 50)[0] == f"x {one} so. "
    assert pieces(f"{one}\n{two} is. {one}", 50)[0] == f"{one}\n"
    assert pieces(f"{one}\n\nNext\n{two} {one}", 50)[0] == f"{one}\n\n"
    assert (
        pieces("a\n\nb " + "word " * 20, 50)[0] == "a\n\nb " + "word " * 9
    )  # not in the first half


def test_a_word_is_cut_only_where_it_does_not_fit_alone(vocabulary: Vocabulary) -> None:
    word = "\u4e2d\U0001f9e0x" * 30
    assert pieces(f"a bc {word} de", 20) == ["a bc ", f"{word} ", "de"]
    windows = Windows(Documents([f"a bc {word} de"]), vocabulary, 24)
    parts = [vocabulary.decode(part) for i in range(len(windows)) for part in windows.parts(i)]
    assert [part.strip() for part in (parts[0], parts[-1])] == ["a bc", "de"]
    assert "".join(part.strip() for part in parts[1:-1]) == word and "\ufffd" not in "".join(parts)


def test_a_chinese_text_is_cut_after_its_sentences() -> None:
    sentence = "\u8fd9\u662f\u4e00\u4e2a\u53e5\u5b50\u3002"
    assert set(pieces(sentence * 10, 70)) == {sentence * 3, sentence * 2}


def test_a_window_of_more_tokens_than_fit_has_its_parts_take_turns(vocabulary: Vocabulary) -> None:
    plain, dense = "is there a rib? " * 300, "\u03b1\u03b2 \u03b3\u03b4 " * 300
    windows = Windows(Documents([plain, dense]), vocabulary, 24)
    index = next(i for i in range(len(windows)) if len(windows.parts(i)) > 1)
    parts = windows.parts(index)
    assert [windows.tokens(index, epoch) for epoch in range(2 * len(parts))] == parts * 2
    assert all(len(part) <= 24 for part in parts)


def test_a_long_document_counts_as_its_windows(vocabulary: Vocabulary) -> None:
    short, long = "is there a rib?", "is there a rib? " * 100
    assert len(Windows(Documents([short]), vocabulary, 24)) == 1
    num_long = len(Windows(Documents([long]), vocabulary, 24))
    assert len(Windows(Documents([short, long, short]), vocabulary, 24)) == num_long + 2
    assert num_long > 10


def test_nothing_has_no_windows(vocabulary: Vocabulary) -> None:
    for texts in ([], ["", " \n"]):
        assert len(Windows(Documents(texts), vocabulary, 24)) == 0


def test_a_limit_that_leaves_no_room_is_told(vocabulary: Vocabulary) -> None:
    with pytest.raises(UserError, match="max_source_tokens"):
        Windows(Documents(["a"]), vocabulary, 5)


@pytest.mark.parametrize(
    ("text", "headings", "marked"),
    [
        ("A\none\nB\ntwo", ["A", "B"], "A\none\n\nB\ntwo"),
        ("zero\nA\nA\none", ["A", "A"], "zero\n\nA\n\nA\none"),
        ("AIM: one\nMETHODS: two\nthree", ["AIM", "METHODS"], "AIM: one\n\nMETHODS: two\nthree"),
        ("one\ntwo", [], "one\ntwo"),
        ("one\ntwo", ["Gone"], "one\ntwo"),
        ("", ["A"], ""),
    ],
)
def test_sections_are_marked(text: str, headings: list[str], marked: str) -> None:
    assert mark_sections(text, headings) == marked


def test_a_real_article_is_covered_whole(shared_data: Path) -> None:
    folder = shared_data / "bpe"
    released = read_vocabulary(
        folder / "encoder.json", folder / "vocab.bpe", folder / "dict.txt", 8192, 1000
    )
    root = shared_data / "pmc_oa"
    found = read_article(root / "1471-2180-11-174.nxml", root)
    assert isinstance(found, FullText)
    text = mark_sections(found.article.text, found.article.sections)
    windows = Windows(Documents([text]), released, 240)
    parts = [part for i in range(len(windows)) for part in windows.parts(i)]
    assert "".join(map(released.decode, parts)).split() == text.lower().split()
    assert 40 < len(windows) <= len(parts) < 1.2 * len(windows)
    assert all(released.starts_word(part[0]) and len(part) <= 240 for part in parts)
    assert len({len(part) > 100 for part in parts} - {True}) <= 1
