"""Arms of instruction tuning: one budget of tokens, and gains that are paired."""

from __future__ import annotations

import numpy as np
import pytest

from components.balance import compare_arms, draw_modalities, mean_tokens
from components.config import Params
from components.profiles.overlay import read_profile
from components.records import Example
from components.schema import validate

PARAMS = validate(Params, read_profile("demo"), "profile demo")
KINDS = ["ct"] * 60 + ["gross"] * 15
LENGTHS = [10] * 60 + [30] * 15


def hold_out(num: int) -> list[Example]:
    """Replies of two modalities, two to a conversation."""
    return [
        Example(f"v/{i}", "biomed_vital", "instruct", "validation", "q", "a",
                modality="gross" if i % 4 > 1 else "ct", group=f"talk{i // 2}")
        for i in range(num)
    ]  # fmt: skip


def test_an_arm_that_draws_longer_texts_gets_fewer_steps() -> None:
    drawn = {
        name: draw_modalities(KINDS, name, 2.0) for name in ("as_is", "balanced", "temperature")
    }
    assert drawn["as_is"] == {"ct": 60, "gross": 15}
    assert sum(drawn["balanced"].values()) == 75 and drawn["balanced"]["gross"] in (37, 38)
    assert drawn["temperature"] == {"ct": 50, "gross": 25}
    means = {name: mean_tokens(KINDS, LENGTHS, of) for name, of in drawn.items()}
    assert means["as_is"] == 14 and means["temperature"] == pytest.approx(50 / 3)
    assert means["as_is"] < means["temperature"] < means["balanced"]
    steps = {name: round(1000 * means["as_is"] / mean) for name, mean in means.items()}
    budget = {name: steps[name] * means[name] for name in steps}
    assert max(budget.values()) - min(budget.values()) < max(means.values())


def test_gains_are_by_modality_paired_and_of_each_seed() -> None:
    held_out = hold_out(80)
    gross = np.array([e.modality == "gross" for e in held_out])
    generator = np.random.default_rng(1)
    as_is = generator.uniform(20, 80, (3, 80))
    better = as_is + np.where(gross, 10, -5) + generator.normal(0, 0.5, (3, 80))
    found = compare_arms({"as_is": as_is, "balanced": better}, held_out, PARAMS)
    assert list(found) == ["ct", "gross", "all", "mean of modalities"]
    gain = found["gross"]["balanced"]["gain"]
    assert gain["value"] == pytest.approx(10, abs=0.3) and gain["low"] > 9
    assert len(gain["seeds"]) == 3 and gain["seeds"][0] == pytest.approx(10, abs=0.5)
    assert found["ct"]["balanced"]["gain"]["high"] < 0
    assert found["gross"]["n"] == 40 and found["all"]["n"] == 80
    assert found["all"]["as_is"]["gain"]["value"] == 0
    assert found["mean of modalities"]["balanced"]["gain"]["value"] == pytest.approx(2.5, abs=0.3)
