"""A model that only knows what it has seen is told from one that knows the matter."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from components.cards import Card
from components.probes.distance import (
    describe_images,
    judge_fall,
    measure_looks,
    measure_words,
    probe_distance,
    split_thirds,
)
from components.probes.measure import Sampling
from components.records import ImageRecord
from tests.components.probes.conftest import answer, predict

NUM = 120


def draw(name: str, seed: int, noise: float = 0.0) -> ImageRecord:
    """A picture of smooth spots, its twin with some noise under another name."""
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (6, 6), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((48, 48), Image.Resampling.BICUBIC), np.float64)
    pixels = pixels + noise * np.random.default_rng(seed + 1000).normal(0, 40, pixels.shape)
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "PNG")
    return ImageRecord(name, stream.getvalue(), "PNG", 48, 48, "", name)


def test_words_that_stand_in_training_are_near() -> None:
    sources = {
        "copied": "is there a large mass in the left lung?",
        "half": "is there a large heart on this strange drawing?",
        "foreign": "which of these seven colours came last today?",
        "short": "left lung?",
    }
    near = measure_words(sources, ["Is there a large MASS, in the left lung", "no"])
    assert near["copied"] == 1 and near["foreign"] == 0 and 0 < near["half"] < 0.5
    assert "short" not in near


def test_a_copy_is_nearer_than_a_noisy_twin_and_that_than_a_stranger() -> None:
    pictures = [draw("seen", 1), draw("twin", 1, 0.5), draw("stranger", 2), draw("other", 3)]
    flat = ImageRecord("flat", draw("flat", 4).bytes, "PNG", 48, 48, "", "")
    broken = ImageRecord("broken", b"no image", "PNG", 1, 1, "", "")
    wanted = {"seen", "twin", "stranger", "other", "broken"}
    vectors = describe_images([*pictures, flat, broken], wanted)
    assert vectors.keys() == wanted - {"broken"}
    near = measure_looks(["seen", "twin", "stranger", "broken"], ["seen", "other"], vectors)
    assert near["seen"] == pytest.approx(1, abs=1e-5)
    assert 0.6 < near["twin"] < 0.999 and near["stranger"] < near["twin"] - 0.2
    assert "broken" not in near
    assert measure_looks(["seen"], [], vectors) == {}


def test_thirds_keep_equal_values_together() -> None:
    parts = split_thirds(np.array([0.5, 0.1, 0.5, 0.5, 0.9, 0.2, 0.3]))
    assert [sorted(part.tolist()) for part in parts] == [[1, 5], [6], [0, 2, 3, 4]]
    assert len(split_thirds(np.ones(9))) == 1 and split_thirds(np.zeros(0)) == []


@pytest.mark.parametrize("verdict", ["falls", "holds", "open"])
def test_a_memory_is_told_from_knowledge(card: Card, sampling: Sampling, verdict: str) -> None:
    """A memory knows a tenth of the far half; guesses say nothing of either."""
    right = {
        "falls": [i >= NUM // 2 or i % 10 == 0 for i in range(NUM)],
        "holds": [True] * NUM,
        "open": [i % 4 > 0 for i in range(NUM)],
    }[verdict]
    nearness = np.linspace(0, 1, NUM)
    told = [predict(i, "no" if hit else "never", "no") for i, hit in enumerate(right)]
    near = {p.id: float(value) for p, value in zip(told, nearness, strict=True)}
    (found,) = probe_distance(answer(told, card), {"words": near, "looks": {}}, sampling)
    assert found["verdict"] == verdict and found["kind"] == "words"
    assert [bin_["n"] for bin_ in found["bins"]] == [40, 40, 40]
    gap = found["bins"][-1]["value"] - found["bins"][0]["value"]
    assert found["fall"]["value"] == pytest.approx(gap, abs=1e-3)
    assert found["baseline_fall"]["value"] == 0  # "yes" is right nowhere


def test_what_cannot_be_measured_is_counted_and_equal_items_give_no_verdict(
    card: Card, sampling: Sampling
) -> None:
    told = [predict(i, "yes") for i in range(30)]
    some = {p.id: float(i) for i, p in enumerate(told) if i % 3}
    (found,) = probe_distance(answer(told, card), {"words": some, "looks": {}}, sampling)
    assert found["unmeasured"] == 10 and found["verdict"] == "few"
    alike = {p.id: 1.0 for p in told}
    assert probe_distance(answer(told, card), {"words": alike, "looks": {}}, sampling) == []


def test_a_verdict_needs_bounds() -> None:
    none = {"low": None, "high": None}
    assert judge_fall(none, none) == "open"
    assert judge_fall({"low": -20.0, "high": -3.0}, none) == "holds"


def test_a_fall_that_the_baseline_shares_is_no_sign_of_memory() -> None:
    fall, alike = {"low": 2.0, "high": 30.0}, {"low": -4.0, "high": 9.0}
    assert judge_fall(fall, alike) == "falls"
    assert judge_fall(fall, fall) == "harder"
