"""A prefix tree over token sequences: which tokens may follow what was generated so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.model.specials import EOS


class Trie:
    """Sequences of token ids, each ended by eos."""

    def __init__(self, sequences: Iterable[Sequence[int]]) -> None:
        self.root: dict[int, dict] = {}  # type: ignore[type-arg]
        for sequence in sequences:
            node = self.root
            for token in [*sequence, EOS] if not sequence or sequence[-1] != EOS else sequence:
                node = node.setdefault(token, {})

    def allowed_next(self, generated: Sequence[int]) -> list[int]:
        """Tokens that continue ``generated`` inside the tree; eos alone when it left the tree."""
        node = self.root
        for token in generated:
            if token not in node:
                return [EOS]
            node = node[token]
        return sorted(node) or [EOS]
