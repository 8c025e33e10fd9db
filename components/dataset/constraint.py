"""What each position of an answer may be, where a model is tuned on a closed set of answers.

Method: OFA's constraint masks (public code, vqa_gen and image_classify): before the softmax every
token is removed that continues no answer of the set, as inference does.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.generation.trie import Trie
from components.tasks.encoding import EncodedExample


class AnswerConstraint:
    """The tokens that may follow each other in the answers of one set.

    ``answers`` are encoded and cut as targets are; those that do not end by eos are one word long
    and may not go on.
    """

    def __init__(self, answers: Sequence[Sequence[int]]) -> None:
        self.trie = Trie(answers)
        self._known: dict[tuple[int, ...], list[int]] = {}  # answers share their beginnings

    def allowed(self, encoded: EncodedExample) -> list[list[int]]:
        """For each token of the target, the tokens that could stand there; it is one of them."""
        return [self._next(tuple(encoded.target[:i])) for i in range(len(encoded.target))]

    def _next(self, begun: tuple[int, ...]) -> list[int]:
        if begun not in self._known:
            self._known[begun] = self.trie.allowed_next(begun)
        return self._known[begun]
