"""Ids of the special tokens, which stand first in every vocabulary."""

from __future__ import annotations

BOS, PAD, EOS, UNK = 0, 1, 2, 3
NUM_SPECIALS = 4
