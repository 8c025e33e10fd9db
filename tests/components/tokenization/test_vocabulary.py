"""The one id space: what stands where, and that text survives the way there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.model.specials import BOS, EOS, PAD, UNK
from components.tokenization.vocabulary import Vocabulary, read_vocabulary, train_vocabulary

TEXTS = ["the left lung", "the right lung", " the image", "le poumon gauche: 37 \u00b0C"] * 4
SYMBOLS = ["<mask>", "<s>", "</s>", "<pad>", "<unk>", "<code_0>", "<code_8191>", "<bin_999>",
           "<|endoftext|>", "madeupword0000", "\u0120", "\u0100", " ", "  ", "\n\t", "\r",
           "\0", "\ufeff", "\ufffd", "e\u0301", "\U0001f9ec", "\u200d", "'s", "1234"]  # fmt: skip
ANY_TEXT = st.text() | st.lists(st.sampled_from(SYMBOLS) | st.text(max_size=3)).map("".join)
SMALL = train_vocabulary(TEXTS, num_merges=20, num_codes=8, num_bins=5)


@pytest.fixture(scope="module")
def released(shared_data: Path) -> Vocabulary:
    folder = shared_data / "bpe"
    return read_vocabulary(
        folder / "encoder.json", folder / "vocab.bpe", folder / "dict.txt", 8192, 1000
    )


def test_specials_text_mask_codes_bins() -> None:
    assert (BOS, PAD, EOS, UNK) == (0, 1, 2, 3)
    assert 256 < SMALL.num_text <= 276
    assert SMALL.mask_id == 4 + SMALL.num_text
    assert SMALL.code_id(0) == SMALL.mask_id + 1
    assert SMALL.bin_id(0) == SMALL.code_id(7) + 1
    assert SMALL.size == SMALL.bin_id(4) + 1


@pytest.mark.parametrize("index", [-1, 8])
def test_codes_and_bins_have_bounds(index: int) -> None:
    with pytest.raises(ValueError, match=rf"image code {index} is not in \[0, 8\)"):
        SMALL.code_id(index)
    with pytest.raises(ValueError, match=rf"location bin {index} is not in \[0, 5\)"):
        SMALL.bin_id(index)


@given(ANY_TEXT)
@settings(deadline=None, max_examples=300)
def test_any_text_comes_back(text: str) -> None:
    ids = SMALL.encode(text)
    assert SMALL.decode(ids) == text
    assert SMALL.decode([BOS, *ids, EOS, PAD, PAD]) == text
    assert all(4 <= token < SMALL.mask_id for token in ids)


@given(st.lists(st.text(), max_size=5))
@settings(deadline=None)
def test_many_texts_are_encoded_as_one_by_one(texts: list[str]) -> None:
    assert SMALL.encode_many(texts) == [SMALL.encode(text) for text in texts]


@given(st.lists(st.integers(0, SMALL.size - 1), max_size=30))
@settings(deadline=None)
def test_any_ids_can_be_read(ids: list[int]) -> None:
    assert isinstance(SMALL.decode(ids), str)


def test_symbols_are_written_out() -> None:
    ids = [BOS, *SMALL.encode("a"), UNK, SMALL.mask_id, SMALL.code_id(7), SMALL.bin_id(4), EOS, PAD]
    assert SMALL.decode(ids) == "a<unk><mask><code_7><bin_4>"


def test_text_that_looks_like_a_symbol_stays_text() -> None:
    text = "<mask> <s> </s> <code_3> <|endoftext|>"
    assert SMALL.decode(SMALL.encode(text)) == text
    assert max(SMALL.encode(text)) < SMALL.mask_id


@given(st.text(st.characters(categories=["Cs", "Ll", "Zs"]), max_size=8))
@settings(deadline=None)
def test_half_a_surrogate_pair_reads_as_a_replacement(text: str) -> None:
    ids = SMALL.encode(text)
    mended = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert SMALL.decode(ids) == mended
    assert SMALL.encode_many([text]) == [ids]


def test_half_a_surrogate_pair_beside_text() -> None:
    assert SMALL.decode(SMALL.encode("a\ud800b\udc80")) == "a\ufffdb\ufffd"
    assert SMALL.decode(SMALL.encode("\ud83e\uddec")) == "\U0001f9ec"


@given(st.binary(max_size=12))
@settings(deadline=None)
def test_bytes_that_are_no_text_read_as_the_reference_reads_them(content: bytes) -> None:
    alphabet = bytes_to_symbols()
    ids = [4 + SMALL.bpe.token_to_id(alphabet[byte]) for byte in content]
    assert SMALL.decode(ids) == content.decode("utf-8", errors="replace")


def bytes_to_symbols() -> list[str]:
    """The symbol of each byte: printable ones stand for themselves, the rest from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def test_words_begin_at_a_space() -> None:
    starts = [SMALL.starts_word(token) for token in SMALL.encode(" ab cd")]
    assert starts == [token.startswith(" ") for token in map(SMALL.decode, _singly(" ab cd"))]
    assert all(map(SMALL.starts_word, [BOS, UNK, SMALL.mask_id, SMALL.code_id(0)]))


def _singly(text: str) -> list[list[int]]:
    return [[token] for token in SMALL.encode(text)]


def test_the_same_texts_give_the_same_bytes_and_they_are_read_back(tmp_path: Path) -> None:
    again = train_vocabulary(TEXTS, num_merges=20, num_codes=8, num_bins=5)
    SMALL.save(tmp_path / "a")
    again.save(tmp_path / "b")
    loaded = Vocabulary.load(tmp_path / "a")
    loaded.save(tmp_path / "c")
    for name in ("bpe.json", "vocabulary.json"):
        contents = {(tmp_path / folder / name).read_bytes() for folder in "abc"}
        assert len(contents) == 1, name
    assert loaded.size == SMALL.size
    assert loaded.encode(TEXTS[3]) == SMALL.encode(TEXTS[3])


def test_a_missing_vocabulary_names_its_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocabulary\.json is missing") as caught:
        Vocabulary.load(tmp_path)
    assert caught.value.next_command == "dvc repro build_vocabulary"


def test_the_released_layout(released: Vocabulary) -> None:
    assert released.size == 59_457
    assert released.num_text == 50_260
    assert released.mask_id == 50_264
    assert (released.code_id(0), released.code_id(8191)) == (50_265, 58_456)
    assert (released.bin_id(0), released.bin_id(999)) == (58_457, 59_456)
    assert released.order[:5] == (13, 262, 11, 284, 290)
    assert released.order[-4:] == (50_256, -1, -1, -1)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (" yes", [4420]),
        (" no", [117]),
        (" maybe", [2085]),
        (" what does the image describe?", [99, 473, 5, 2274, 6190, 116]),
        (' what is the complete text of " "?', [99, 16, 5, 1498, 2788, 9, 22, 22, 116]),
        ("<|endoftext|>", None),
    ],
)
def test_released_ids(released: Vocabulary, text: str, ids: list[int] | None) -> None:
    encoded = released.encode(text)
    assert released.decode(encoded) == text
    if ids is None:
        assert 50_260 not in encoded  # text is never a symbol
    else:
        assert encoded == ids


def test_released_text_comes_back_and_is_only_text(released: Vocabulary) -> None:
    @given(ANY_TEXT)
    @settings(deadline=None, max_examples=200)
    def comes_back(text: str) -> None:
        ids = released.encode(text)
        assert released.decode(ids) == text
        assert all(4 <= token < 50_260 for token in ids)

    comes_back()


def test_every_released_bpe_id_has_one_place(released: Vocabulary) -> None:
    assert sorted(bpe for bpe in released.order if bpe >= 0) == list(range(50_257))


@pytest.mark.parametrize("piece", ["a", " ", "\n", "lung cancer ", "\u00e9"])
def test_very_long_text_comes_back(released: Vocabulary, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    assert released.decode(released.encode(text)) == text


@pytest.mark.parametrize("wrong", [-100, -1, 0])
def test_an_id_out_of_range_is_no_code_and_no_bin(wrong: int) -> None:
    vocabulary = train_vocabulary([" a rib"], 5, num_codes=4, num_bins=4)
    token = wrong or vocabulary.size
    with pytest.raises(ValueError, match=f"id {token} is out of range"):
        vocabulary.decode([5, token])
