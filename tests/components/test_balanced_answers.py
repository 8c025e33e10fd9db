"""What fine-tuning draws of a data set whose answers are uneven."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cards import Card, load_card
from components.config import Params
from components.dataset.order import batch_indices
from components.profiles.overlay import merge, read_profile
from components.records import Example
from components.run_plan import RunPlan, plan_run
from components.schema import validate
from components.tuning import choose_drawing

RARE, COMMON = " normal", " pneumonia"
EXAMPLE = Example("0", "films", "classify", "train", " what does the image describe?", RARE)
EXAMPLES = [replace(EXAMPLE, id=str(i), target=COMMON if i % 8 else RARE) for i in range(80)]


def plan(recipe: dict[str, Any] | None = None, **finetune: Any) -> RunPlan:
    """A fine-tuning run with these settings; nothing of it is run."""
    values = merge(read_profile("demo"), {"finetune": finetune}, "test")
    params = validate(Params, values, "test")
    return plan_run(
        params,
        "finetune",
        "debug",
        params.finetune.for_run("debug", recipe),
        start_from=None,
        inputs=[Path("data/examples/films")],
        out=Path("out"),
        dataset="films",
    )


@pytest.mark.parametrize(
    ("settings", "rare"),
    [
        ({}, 10),
        ({"sampling": "balanced"}, 40),
        ({"sampling": "temperature", "temperature": 1.0}, 10),
        ({"sampling": "temperature", "temperature": 2.0}, 22),  # 80 x 10^.5 / (10^.5 + 70^.5)
    ],
)
def test_sampling_weighs_the_answers(settings: dict[str, Any], rare: int) -> None:
    balance = choose_drawing(plan(**settings), EXAMPLES).balance
    epoch = batch_indices(len(EXAMPLES), len(EXAMPLES), 7, 1, balance=balance)
    drawn = Counter(EXAMPLES[index].target for index in epoch)
    assert drawn == {RARE: rare, COMMON: len(EXAMPLES) - rare}


def test_a_card_may_balance_its_own_answers() -> None:
    told = {**load_card("pneumoniamnist").model_dump(), "recipe": {"sampling": "balanced"}}
    recipe = validate(Card, told, "card").recipe
    assert choose_drawing(plan(recipe), EXAMPLES).balance is not None
    assert choose_drawing(plan(), EXAMPLES).balance is None
