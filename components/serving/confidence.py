"""How sure an answer is: a calibrated probability where a calibration was fitted, else the raw."""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.evaluation.cache import Answer
from components.evaluation.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Confidence:
    """``value`` (0 to 1) is the answer's probability: calibrated, or ``raw`` as the model gives it.

    Of a closed set it is the probability among the set's answers; of free text the geometric mean
    of its tokens' (with the search's length penalty of 1), which is no chance of being right.
    """

    value: float
    raw: float
    calibration: Calibration | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether a calibration was fitted for these answers."""
        return self.calibration is not None

    @property
    def words(self) -> str:
        """How far it may be trusted, in words."""
        if self.calibration is None:
            return "uncalibrated"
        known = self.calibration
        return (
            f"calibrated on {known.num_items} validation items: error {known.error_after:.2f}, "
            f"{known.error_before:.2f} before"
        )


def rate_answer(
    answer: Answer, calibration: Calibration | None
) -> tuple[Confidence, list[tuple[str, float]]]:
    """The confidence of an answer, and the probability of each candidate, the likeliest first."""
    raw = math.exp(min(answer.log_probability, 0.0))
    if not answer.options:
        return Confidence(raw, raw), []
    temperature = calibration.temperature if calibration else 1.0
    best = answer.option_log_probabilities[0]
    odds = [math.exp((log - best) / temperature) for log in answer.option_log_probabilities]
    total = sum(odds)
    chances = [(text, own / total) for text, own in zip(answer.options, odds, strict=True)]
    return Confidence(chances[0][1], raw, calibration), chances
