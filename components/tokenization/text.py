"""Byte-level BPE on the ``tokenizers`` library: trained here, or from GPT-2's published files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

RUST_PANIC = "PanicException"  # what a fault in the library's Rust raises: no Exception, no module


def train_bpe(texts: Iterable[str], num_merges: int) -> Tokenizer:
    """A byte-level BPE of 256 bytes and up to ``num_merges`` merges; same texts, same merges."""
    tokenizer = _byte_level(BPE())
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=len(alphabet) + num_merges,
        initial_alphabet=alphabet,
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def read_bpe(encoder_json: Path, merges_bpe: Path) -> Tokenizer:
    """GPT-2's byte-level BPE from its two published files."""
    vocabulary = json.loads(encoder_json.read_text(encoding="utf-8"))
    lines = merges_bpe.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    merges = [(left, right) for left, right in pairs]
    return _byte_level(BPE(vocab=vocabulary, merges=merges))


def load_bpe(path: Path) -> Tokenizer:
    """A tokenizer that was saved as JSON; an Exception of the library's where it is damaged."""
    try:
        return Tokenizer.from_file(str(path))
    except BaseException as error:
        if type(error).__name__ != RUST_PANIC:
            raise
        raise ValueError(f"{path}: {error}") from None


def mend_text(text: str) -> str:
    """The text with whole surrogate pairs as the character they stand for, halves as U+FFFD.

    JSON's escapes can spell halves; they have no bytes.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def space_words(text: str) -> str:
    """The text in lower-cased words, one space before each: how pretraining reads it."""
    return "".join(f" {word}" for word in text.lower().split())


def _byte_level(model: BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
