"""Truncated against windowed: the same model asked about the beginning of a long text, or all.

A text that is longer than what the model reads is encoded in windows of that length, each as if it
were alone, and the decoder attends to all of them at once: Fusion-in-Decoder (Izacard and Grave,
EACL 2021), here with a model that was not trained so. The first window is what is left by cutting,
so that both ways differ by the rest of the text alone.

Shape letters: B sources, S source tokens, N positions of all windows, D width.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from components.cards import Card
from components.config import ProbeParams
from components.dataset.collate import pad
from components.evaluation.conditions import FULL
from components.evaluation.examine import Exam
from components.evaluation.intervals import difference, gain_scale
from components.evaluation.metrics import find_metric
from components.evaluation.predict import Answerer, answer_all
from components.evaluation.scoring import score_all
from components.model.encoder import Encoded
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS, PAD
from components.probes.lengths import count_tokens
from components.probes.material import record_answers
from components.probes.measure import Sampling
from components.records import Prediction
from components.tasks.base import Task

CUT, WINDOWED = "cut", "windowed"
NUM_ENDS = 2  # bos and eos
MAX_WINDOWS = 8  # the decoder attends to all of their states at once


class WindowedModel(UnifiedModel):
    """A model that reads a source of text in windows of ``window`` tokens, their ends included.

    It shares its parts with the model that it is made of.
    """

    def __init__(self, model: UnifiedModel, window: int) -> None:
        nn.Module.__init__(self)
        self.config, self.encoder, self.decoder = model.config, model.encoder, model.decoder
        self.window = window

    def encode(self, source_BS: Tensor, images_B3HW: Tensor | None = None, *_: Any) -> Encoded:  # type: ignore[override]
        """The states of all windows, one after another; ValueError for a source with an image."""
        if images_B3HW is not None:
            raise ValueError("sources with images are not read in windows")
        rows = [cut_windows(row[row != PAD].tolist(), self.window) for row in source_BS]
        parts = [
            self._encode_windows([row[k] if k < len(row) else None for row in rows], source_BS)
            for k in range(max(map(len, rows)))
        ]
        states, padding, positions = zip(*parts, strict=True)
        return Encoded(torch.cat(states, 1), torch.cat(padding, 1), torch.cat(positions, 1))

    def _encode_windows(
        self, windows: Sequence[list[int] | None], like: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One window of each source; of a source that has no more, one that nobody attends to."""
        tokens_BS = pad([window or [BOS, EOS] for window in windows]).to(like.device)
        encoded = super().encode(tokens_BS)
        padding_BN = tokens_BS == PAD
        absent_B = torch.tensor([window is None for window in windows], device=like.device)
        return encoded.states, padding_BN | absent_B[:, None], encoded.positions


def cut_windows(tokens: Sequence[int], window: int) -> list[list[int]]:
    """Windows of at most so many tokens, each between bos and eos, of a source between its own."""
    text, room = list(tokens[1:-1]), window - NUM_ENDS
    pieces = [text[begin : begin + room] for begin in range(0, len(text), room)]
    return [[BOS, *piece, EOS] for piece in pieces or [[]]]


def can_be_windowed(task: Task) -> bool:
    """Whether a task is about text alone, and its decoder is not given the whole source."""
    return task.decoder_prompt != "source" and not task.needs_image


def probe_windows(
    exam: Exam, answerer: Answerer, params: ProbeParams, size: str, sampling: Sampling
) -> tuple[dict[str, Any] | None, list[Prediction]]:
    """Scores of both ways over the items that do not fit, paired; None where all fit.

    At most ``max_items`` are drawn, and MAX_WINDOWS are read of each. With ``window_tokens`` the
    window is shorter than what the model reads, and so is the text that is left by cutting. Texts
    before the answer and what comes with an image cannot be read so (``can_be_windowed``).
    """
    window = min(params.window_tokens or answerer.max_source_tokens, answerer.max_source_tokens)
    lengths = [count_tokens(example.source, answerer.vocabulary) for example in exam.test]
    longer = [place for place, length in enumerate(lengths) if length > window]
    if not longer:
        return None, []
    chosen = random.Random(sampling.seed).sample(longer, min(params.max_items, len(longer)))
    longest = MAX_WINDOWS * (window - NUM_ENDS) + NUM_ENDS
    asked = replace(
        exam,
        test=[exam.test[place] for place in chosen],
        candidates=[exam.candidates[place] for place in chosen],
    )
    said = _ask_both_ways(asked, answerer, window, longest, size)
    told = {
        "window": window,
        "longer": len(longer),
        "over_all_windows": sum(lengths[place] > longest for place in chosen),
        **_compare(exam.card, said, sampling),
    }
    return told, [*said[CUT], *said[WINDOWED]]


def _ask_both_ways(
    exam: Exam, answerer: Answerer, window: int, longest: int, size: str
) -> dict[str, list[Prediction]]:
    reader = WindowedModel(answerer.model, window).eval()
    ways = {
        CUT: replace(answerer, max_source_tokens=window, long_text="cut"),
        WINDOWED: replace(answerer, model=reader, max_source_tokens=longest, long_text="cut"),
    }
    return {
        way: record_answers(
            exam.test,
            answer_all(reading, exam.task, exam.test, exam.candidates, store=None),
            way,
            size,
        )
        for way, reading in ways.items()
    }


def _compare(
    card: Card, said: Mapping[str, Sequence[Prediction]], sampling: Sampling
) -> dict[str, Any]:
    metric = find_metric(card.metrics[0])
    scored = score_all(metric, {FULL: list(said[CUT]), WINDOWED: list(said[WINDOWED])})
    cut, windowed = scored.estimate(), scored.estimate(WINDOWED)
    measured = {"cut": cut, "windowed": windowed}
    gain = sampling.measure(
        difference(windowed, cut), scored.groups, scale=gain_scale(metric.scale)
    )
    return {
        "dataset": card.name,
        "metric": metric.title,
        "unit": metric.unit,
        **{
            name: sampling.measure(what, scored.groups, scale=metric.scale)
            for name, what in measured.items()
        },
        "gain": gain,
    }
