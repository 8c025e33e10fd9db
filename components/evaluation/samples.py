"""What scorers share: a value per test item, of what was said and what is accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from components.evaluation.intervals import Floats

Values = Floats  # one per test item
References = Sequence[Sequence[str]]


def score_each(
    predictions: Sequence[str],
    references: References,
    value: Callable[[str, Sequence[str]], float],
) -> Values:
    """The value of each prediction beside its references, in their order."""
    pairs = zip(predictions, references, strict=True)
    return np.array([value(prediction, accepted) for prediction, accepted in pairs], np.float64)
