"""A gap that was planted is found, and one that is chance is not called one."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from components.cards import Card
from components.probes.material import Answered
from components.probes.measure import Sampling, choose
from components.probes.subgroups import permute_gap, probe_subgroups
from tests.components.probes.conftest import answer, predict

NAMES, NUM = ("ct", "mr", "xray"), 240


def world(chances: Mapping[str, float], card: Card, per_group: int = 1) -> Answered:
    """Answers that are right with their part's chance; all of a group are, or none."""
    dice = random.Random(8)
    luck = [dice.random() for _ in range(NUM // per_group)]
    told = []
    for i in range(NUM):
        group = i // per_group
        name = NAMES[group % len(NAMES)]
        said = "yes" if luck[group] < chances[name] else "no"
        told.append(predict(i, said, modality=name, group=f"g{group}"))
    return answer(told, card)


def test_a_planted_gap_is_found(card: Card, sampling: Sampling) -> None:
    (found,) = probe_subgroups([world({"ct": 0.9, "mr": 0.9, "xray": 0.4}, card)], sampling)
    assert found["attribute"] == "modality" and found["parts"][-1]["name"] == "xray"
    assert [part["n"] for part in found["parts"]] == [80, 80, 80]
    assert found["gap"]["low"] > 20 and found["p"] == 0.001 and found["q"] == 0.001


def test_a_gap_of_parts_that_are_all_alike_rests_on_these(card: Card, sampling: Sampling) -> None:
    """Ten right and ten wrong say as little with 220 items of another part beside them."""
    alike = {"ct": 1.0, "mr": 0.0, "xray": 0.5}
    parts = ["ct"] * 10 + ["mr"] * 10 + ["xray"] * 220
    told = [
        predict(i, "yes" if i % 2 < 2 * alike[name] else "no", modality=name)
        for i, name in enumerate(parts)
    ]
    (found,) = probe_subgroups([answer(told, card)], sampling)
    assert [part["value"] for part in found["parts"]] == [100, 50, 0]
    unseen = 1 - (0.025 / 3) ** (1 / 10)  # of three pairs, by the exact interval of a share of ten
    assert found["gap"]["value"] == found["gap"]["high"] == 100
    assert found["gap"]["low"] == pytest.approx(100 - 200 * unseen, abs=1e-4)


def test_chance_is_not_called_a_gap(card: Card, sampling: Sampling) -> None:
    alike = dict.fromkeys(NAMES, 0.6)
    (found,) = probe_subgroups([world(alike, card)], sampling)
    assert found["gap"]["value"] > 0 and found["p"] > 0.05


def test_items_that_share_luck_are_dealt_out_together(card: Card) -> None:
    """Items of a group answer alike: taken one by one, a few lucky groups look like a gap."""
    own = world(dict.fromkeys(NAMES, 0.6), card, per_group=20)
    lone = answer([replace(p, group=p.id) for p in own.full], card)
    parts = [choose([p.modality == name for p in own.full]) for name in NAMES]
    assert permute_gap(own.scored, parts, 1) > 0.2 > permute_gap(lone.scored, parts, 1)


def test_attributes_of_records_are_parts_and_each_way_of_parting_counts_once(
    card: Card, sampling: Sampling
) -> None:
    own = world({"ct": 0.9, "mr": 0.9, "xray": 0.4}, card)
    told = [
        replace(p, category=p.modality, attributes={"location": p.modality.upper(), "sex": sex})
        for i, p in enumerate(own.full)
        for sex in [("female", "male", "")[i % 5 % 3]]
    ]
    found = probe_subgroups([answer(told, card)], sampling)
    assert [row["attribute"] for row in found] == ["modality", "sex"]  # the rest part as modality
    assert {part["name"]: part["n"] for part in found[1]["parts"]} == {"female": 96, "male": 96}


def test_many_gaps_are_adjusted_together(card: Card, sampling: Sampling) -> None:
    planted = world({"ct": 0.9, "mr": 0.9, "xray": 0.4}, card)
    chance = world(dict.fromkeys(NAMES, 0.6), card)
    found = probe_subgroups([planted, chance, chance, chance], sampling)
    assert found[0]["q"] > found[0]["p"] and all(own["q"] >= own["p"] for own in found)


def test_small_or_single_parts_are_no_subgroups(card: Card, sampling: Sampling) -> None:
    few = answer([predict(i, "yes", modality="ct" if i < 5 else "mr") for i in range(60)], card)
    one = answer([predict(i, "yes", modality="ct") for i in range(60)], card)
    shared = answer(
        [predict(i, "yes", modality=NAMES[i % 2], group=NAMES[i % 2]) for i in range(60)], card
    )
    assert probe_subgroups([few, one, shared], sampling) == []


def test_a_part_on_which_the_metric_is_not_defined_is_not_compared(
    card: Card, sampling: Sampling
) -> None:
    """An area under a curve needs both classes, which the third part does not have."""
    told = []
    for i in range(60):
        truth = "yes" if i % 2 or i >= 40 else "no"
        chance = 0.9 if truth == "yes" or i < 20 else 0.8
        options = [math.log(chance), math.log(1 - chance)]
        told.append(predict(i, "yes", truth, modality=NAMES[i // 20], options=["yes", "no"],
                            option_log_probabilities=options))  # fmt: skip
    (found,) = probe_subgroups([answer(told, card, "auc")], sampling)
    assert [(part["name"], part["value"]) for part in found["parts"]] == [("mr", 100), ("ct", 50)]
    assert probe_subgroups([answer(told[20:], card, "auc")], sampling) == []
