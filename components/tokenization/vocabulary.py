"""The one id space of the model: specials, text, mask, image codes, location bins.

Released layout (OFA, BiomedGPT): 0-3 bos, pad, eos, unk; 50,260 text entries in the order of
dict.txt; 50264 mask; 50265-58456 codes; 58457-59456 bins. A vocabulary trained here keeps the
order with its own counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from components.errors import FORMAT, UserError, check_format, damaged, load_object
from components.model.specials import BOS, EOS, NUM_SPECIALS, PAD, UNK
from components.tokenization.text import load_bpe, mend_text, read_bpe, train_bpe

BPE_FILE, LAYOUT_FILE = "bpe.json", "vocabulary.json"
MAX_EXTRA = 1 << 24  # codes or bins; the released vocabulary has 8,192 and 1,000


@dataclass(frozen=True)
class Vocabulary:
    """Text to ids and back. ``order`` holds, for each text entry, its BPE id (-1: a filler)."""

    bpe: Tokenizer
    order: tuple[int, ...]
    num_codes: int
    num_bins: int

    @property
    def num_text(self) -> int:
        """Number of text entries."""
        return len(self.order)

    @property
    def mask_id(self) -> int:
        """Id of the mask token."""
        return NUM_SPECIALS + self.num_text

    @property
    def size(self) -> int:
        """Number of all ids."""
        return self.mask_id + 1 + self.num_codes + self.num_bins

    def code_id(self, code: int) -> int:
        """Id of an image code."""
        if not 0 <= code < self.num_codes:
            raise ValueError(f"image code {code} is not in [0, {self.num_codes})")
        return self.mask_id + 1 + code

    def bin_id(self, index: int) -> int:
        """Id of a location bin."""
        if not 0 <= index < self.num_bins:
            raise ValueError(f"location bin {index} is not in [0, {self.num_bins})")
        return self.mask_id + 1 + self.num_codes + index

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos; case and spaces are kept. Only text ids come out.

        Half a surrogate pair, which is no text, reads as U+FFFD.
        """
        return [self._ids.get(i, UNK) for i in self.bpe.encode(mend_text(text)).ids]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of several texts."""
        encodings = self.bpe.encode_batch([mend_text(text) for text in texts])
        return [[self._ids.get(i, UNK) for i in encoding.ids] for encoding in encodings]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; bos, pad and eos vanish, codes and bins read ``<code_5>``, ``<bin_7>``.

        ValueError, with the id and the vocabulary's size, where one is out of range.
        """
        parts: list[str] = []
        pending: list[int] = []
        for token in ids:
            if NUM_SPECIALS <= token < self.mask_id:
                pending.append(self.order[token - NUM_SPECIALS])
                continue
            parts.append(self._text(pending))
            pending = []
            parts.append(self._symbol(token))
        return "".join([*parts, self._text(pending)])

    def starts_word(self, token: int) -> bool:
        """Whether a token begins a word; specials and non-text tokens count as words."""
        return self._starts[token] if token < len(self._starts) else True

    def save(self, folder: Path) -> None:
        """Write bpe.json and vocabulary.json."""
        folder.mkdir(parents=True, exist_ok=True)
        self.bpe.save(str(folder / BPE_FILE))
        layout = {
            FORMAT: 1,
            "order": self.order,
            "num_codes": self.num_codes,
            "num_bins": self.num_bins,
        }
        (folder / LAYOUT_FILE).write_text(json.dumps(layout) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Read what ``save`` wrote; UserError when it is not there, or a newer package wrote it."""
        path = folder / LAYOUT_FILE
        if not path.is_file():
            raise UserError(f"{path} is missing", next_command="dvc repro build_vocabulary")
        layout = check_format(load_object(path), path)
        bpe = load_bpe(folder / BPE_FILE)
        order, counts = layout.get("order"), [layout.get("num_codes"), layout.get("num_bins")]
        known = bpe.get_vocab_size()
        if not isinstance(order, list) or not all(_is_count(i, -1, known) for i in order):
            raise damaged(path, f"order is no list of ids of a BPE of {known:,}")
        if not all(_is_count(number, 0, MAX_EXTRA) for number in counts):
            raise damaged(path, f"num_codes and num_bins are {counts}")
        return cls(bpe, tuple(order), layout["num_codes"], layout["num_bins"])

    @cached_property
    def _ids(self) -> dict[int, int]:
        return {bpe: NUM_SPECIALS + i for i, bpe in enumerate(self.order) if bpe >= 0}

    @cached_property
    def _starts(self) -> list[bool]:
        starts = [True] * NUM_SPECIALS
        for bpe in self.order:
            starts.append(bpe < 0 or str(self.bpe.id_to_token(bpe)).startswith("\u0120"))
        return starts

    def _text(self, bpe_ids: list[int]) -> str:
        return self.bpe.decode([i for i in bpe_ids if i >= 0]) if bpe_ids else ""

    def _symbol(self, token: int) -> str:
        if not 0 <= token < self.size:
            raise ValueError(f"id {token} is out of range: the vocabulary has {self.size} entries")
        if token in (BOS, PAD, EOS):
            return ""
        if token == UNK:
            return "<unk>"
        if token == self.mask_id:
            return "<mask>"
        code = token - self.mask_id - 1
        return f"<code_{code}>" if code < self.num_codes else f"<bin_{code - self.num_codes}>"


def _is_count(value: object, low: int, high: int) -> bool:
    """Whether a value out of JSON is a whole number from low to below high."""
    return type(value) is int and low <= value < high


def train_vocabulary(
    texts: Iterable[str], num_merges: int, num_codes: int, num_bins: int
) -> Vocabulary:
    """A vocabulary whose BPE is learnt from texts."""
    bpe = train_bpe(texts, num_merges)
    return Vocabulary(bpe, tuple(range(bpe.get_vocab_size())), num_codes, num_bins)


def read_vocabulary(
    encoder_json: Path, merges_bpe: Path, dict_txt: Path, num_codes: int, num_bins: int
) -> Vocabulary:
    """The released vocabulary from GPT-2's two files and fairseq's dict.txt.

    Each line of dict.txt is ``<gpt2-id> <count>``; its line number decides the id. Filler words
    keep their places.
    """
    words = [line.rsplit(" ", 1)[0] for line in dict_txt.read_text().splitlines() if line]
    order = tuple(int(word) if word.isdigit() else -1 for word in words)
    return Vocabulary(read_bpe(encoder_json, merges_bpe), order, num_codes, num_bins)
