"""Conditions: what of a test item a model is shown, so that it is seen what its answer rests on."""

from __future__ import annotations

FULL = "full"
BLANK = "blank"  # a grey image
