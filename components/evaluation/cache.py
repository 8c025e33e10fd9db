"""Answers, kept by what decides them, so that an evaluation goes on where it stopped.

A folder holds the answers of one model to one exam: a file for each batch, named by all that was
asked in it and by all that decides what is answered: weights, vocabulary, decoding, the code. What
is there is not computed again. It is kept by the batch, not by the item: an item's log-probability
depends on its neighbours in the last digits, and a run that went on must end as any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components.lineage import hash_bytes, hash_file, hash_product

DECIDING = (  # the modules that decide what is answered to what was asked
    "dataset/collate.py", "dataset/images.py", "devices.py", "evaluation/conditions.py",
    "evaluation/predict.py", "generation/*.py", "model/*.py", "readers/images.py",
    "tasks/encoding.py", "tokenization/signal.py", "tokenization/text.py",
    "tokenization/vocabulary.py",
)  # fmt: skip
LIBRARIES = ("numpy", "pillow", "tokenizers", "torch")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said. The log-probability is among the candidates, or of the text searched for,
    divided by its length as the search does. ``options`` are the most probable candidates, the
    best first, with ``option_log_probabilities``; none where text was free."""

    text: str
    log_probability: float
    options: list[str] = field(default_factory=list)
    option_log_probabilities: list[float] = field(default_factory=list)


class AnswerCache:
    """The answers of one model to one exam. ``tell`` hears of files that are damaged."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self.folder, self.tell = folder, tell
        self.asked: set[str] = set()

    def read(self, key: str) -> list[Answer] | None:
        """The answers of a batch; None where they are not there, or not as they were written."""
        self.asked.add(key)
        path = self.folder / f"{key}.json"
        if not path.is_file():
            return None
        written, _, content = path.read_bytes().partition(b"\n")
        if written.decode("ascii", "replace") != hash_bytes(content):
            self.tell(f"{path} is damaged; its answers are computed again")
            return None
        return [Answer(**answer) for answer in json.loads(content)]

    def write(self, key: str, answers: Sequence[Answer]) -> None:
        """Keep the answers of a batch; the file appears under its name when it is whole."""
        content = json.dumps([asdict(answer) for answer in answers]).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{key}.partial"
        partial.write_bytes(hash_bytes(content).encode() + b"\n" + content)
        partial.replace(self.folder / f"{key}.json")

    def prune(self) -> None:
        """Remove what was not asked since the cache was opened.

        Called when an exam is over, it leaves the answers of that exam alone, so that a folder
        never holds more than one.
        """
        for path in [*self.folder.glob("*.json"), *self.folder.glob("*.partial")]:
            if path.stem not in self.asked or path.suffix == ".partial":
                path.unlink()


def make_key(model: Path, vocabulary: Path, decoding: Any) -> str:
    """A hash of what decides a model's answers beside what it is asked: with its weights, its
    vocabulary and ``decoding`` (anything that JSON can hold) also the code and the libraries."""
    here = Path(__file__).parents[1]
    parts = {
        "model": [hash_file(path) for path in sorted(model.glob("*.safetensors"))],
        "vocabulary": hash_product(vocabulary),
        "decoding": decoding,
        "code": [hash_file(path) for name in DECIDING for path in sorted(here.glob(name))],
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return hash_bytes(json.dumps(parts, sort_keys=True).encode())


def batch_key(*asked: Any) -> str:
    """A name for all that was asked in a batch, which JSON can hold."""
    return hash_bytes(json.dumps(asked).encode())[:32]
