"""The one id space (components/tokenization/vocabulary.py) as a tokenizer of transformers.

Text gives text ids only: a source that spells ``</s>`` or ``<code_5>`` is read letter by letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PreTrainedTokenizer

from components.errors import UserError
from components.model.specials import BOS, EOS, NUM_SPECIALS, PAD, UNK
from components.tokenization.vocabulary import (
    BPE_FILE,
    LAYOUT_FILE,
    Vocabulary,
    read_vocabulary,
)

NAMES = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
RELEASED_FILES = ("encoder.json", "vocab.bpe", "dict.txt")
RELEASED_COUNTS = 8192, 1000  # image codes and location bins
INVISIBLE = {BOS: NAMES[BOS], PAD: NAMES[PAD], EOS: NAMES[EOS]}
SETTINGS = {
    "bos_token": NAMES[BOS],
    "pad_token": NAMES[PAD],
    "eos_token": NAMES[EOS],
    "unk_token": NAMES[UNK],
    "mask_token": MASK,
    "split_special_tokens": True,
    "special_tokens_pattern": "bos_eos",
}


class BiomedGptTokenizer(PreTrainedTokenizer):
    """A ``Vocabulary`` with bos, eos, padding, cutting, and ``save_pretrained``.

        tokenizer = BiomedGptTokenizer.from_pretrained("data/vocabulary")
        ids = tokenizer(" is it a ct?", return_tensors="pt").input_ids  # bos ... eos
        tokenizer.decode(ids[0], skip_special_tokens=True)  # " is it a ct?"
        tokenizer.vocabulary.code_id(5), tokenizer.convert_tokens_to_ids("<code_5>")  # the same

    The text is taken as it stands, case and spaces included; ``BiomedGptProcessor`` adds the
    conventions of the tasks. Cutting (``truncation=True``) keeps eos.
    """

    vocab_files_names = {"bpe_file": BPE_FILE, "layout_file": LAYOUT_FILE}  # noqa: RUF012
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    @classmethod
    def from_folder(cls, folder: Path, **settings: Any) -> BiomedGptTokenizer:
        """Of a folder with the three released files, or with a vocabulary that was saved here.

        Released are GPT-2's encoder.json and vocab.bpe and fairseq's dict.txt: 59,457 entries.
        UserError where the folder holds neither.
        """
        encoder, merges, order = (folder / name for name in RELEASED_FILES)
        if all(path.is_file() for path in (encoder, merges, order)):
            vocabulary = read_vocabulary(encoder, merges, order, *RELEASED_COUNTS)
            with TemporaryDirectory() as place:
                vocabulary.save(Path(place))
                return cls._read(place, settings)
        if not (folder / LAYOUT_FILE).is_file():
            raise UserError(
                f"{folder} holds no vocabulary",
                why=f"it has neither {LAYOUT_FILE} nor {', '.join(RELEASED_FILES)}",
                next_command="name a folder that has; data/cards/bpe.yaml says where the released "
                "files come from",
            )
        return cls._read(str(folder), settings)

    @classmethod
    def _read(cls, folder: str, settings: dict[str, Any]) -> BiomedGptTokenizer:
        tokenizer: BiomedGptTokenizer = cls.from_pretrained(folder, **settings)
        return tokenizer

    def __init__(self, bpe_file: str, layout_file: str, **settings: Any) -> None:
        if Path(bpe_file).parent != Path(layout_file).parent:
            raise UserError(f"{BPE_FILE} and {LAYOUT_FILE} must lie in one folder")
        self.vocabulary = Vocabulary.load(Path(layout_file).parent)
        super().__init__(**{**SETTINGS, **settings})

    @property
    def vocab_size(self) -> int:
        """Number of all ids: specials, text, mask, codes, bins."""
        return self.vocabulary.size

    def get_vocab(self) -> dict[str, int]:
        """Name of every id."""
        return dict(self._ids)

    def encode_answers(self, answers: Sequence[str]) -> list[list[int]]:
        """Ids of answers without bos and eos, as a ``Trie`` takes them."""
        return self.vocabulary.encode_many(answers)

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write the two files that ``Vocabulary.load`` reads."""
        if filename_prefix:
            raise UserError("a vocabulary has no other file names", why=f"asked: {filename_prefix}")
        folder = Path(save_directory)
        self.vocabulary.save(folder)
        return str(folder / BPE_FILE), str(folder / LAYOUT_FILE)

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Text of token names."""
        return self.vocabulary.decode(self._ids[token] for token in tokens)

    @cached_property
    def _tokens(self) -> list[str]:
        known = self.vocabulary
        text = [
            f"<filler_{place}>" if bpe < 0 else str(known.bpe.id_to_token(bpe))
            for place, bpe in enumerate(known.order)
        ]
        codes = [f"<code_{i}>" for i in range(known.num_codes)]
        bins = [f"<bin_{i}>" for i in range(known.num_bins)]
        return [*NAMES[:NUM_SPECIALS], *text, MASK, *codes, *bins]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self._tokens)}

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return [self._tokens[i] for i in self.vocabulary.encode(text)]

    def _convert_token_to_id(self, token: str) -> int:
        return self._ids.get(token, self._ids[NAMES[UNK]])

    def _convert_id_to_token(self, index: int) -> str:
        if not 0 <= index < self.vocabulary.size:  # -100 is a label, and no token from the end
            size = self.vocabulary.size
            raise ValueError(f"id {index} is out of range: the vocabulary has {size} entries")
        return self._tokens[index]

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,  # noqa: ARG002 - spaces are the text's
        **_: Any,
    ) -> str:
        """Text of ids. What ``Vocabulary.decode`` hides is spelt out, unless it is skipped."""
        ids = [token_ids] if isinstance(token_ids, int) else [int(i) for i in token_ids]
        if skip_special_tokens:
            hidden = set(self.all_special_ids)
            return self.vocabulary.decode(i for i in ids if i not in hidden)
        parts = [
            "".join(INVISIBLE[i] for i in run) if hidden else self.vocabulary.decode(run)
            for hidden, run in groupby(ids, key=INVISIBLE.__contains__)
        ]
        return "".join(parts)
