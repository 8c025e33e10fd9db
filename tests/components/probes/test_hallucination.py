"""Findings that were planted in reports are found, and only those."""

from __future__ import annotations

import pytest

from components.cards import Card
from components.probes.hallucination import compare_reports, probe_hallucination
from components.probes.measure import Sampling
from components.records import Prediction
from tests.components.probes.conftest import answer, predict

TRUE = "One lesion in the left lung The heart is normal in size"
MADE_UP = "One lesion in the left lung The heart is enlarged Pleural effusion"
DENIED = "No lesion in the lung No pleural effusion"


def write(number: int, said: str, truth: str, **more: str) -> Prediction:
    return predict(number, said, truth, baseline=TRUE, **more)


def test_what_is_said_without_support_and_what_is_missed() -> None:
    one = compare_reports(MADE_UP, TRUE)
    assert one.unsupported == {"cardiomegaly", "effusion"} and not one.contradicted
    assert not one.missed and one.said == {"lesion", "cardiomegaly", "effusion"}
    assert compare_reports(MADE_UP, DENIED).contradicted == {"lesion", "effusion"}
    assert compare_reports(TRUE, MADE_UP).missed == {"cardiomegaly", "effusion"}
    assert not compare_reports("A mass in the left lung", TRUE).unsupported  # another word for it


def test_a_text_that_was_summarized_is_evidence() -> None:
    assert compare_reports("treatment of a fracture", "treatment").unsupported == {"fracture"}
    told = "i broke my arm, the fracture does not heal"
    assert not compare_reports("treatment of a fracture", "treatment", told).unsupported


def test_rates_are_those_that_were_planted(card: Card, sampling: Sampling) -> None:
    told = [write(i, MADE_UP if i % 4 == 0 else TRUE, TRUE) for i in range(80)]
    blank = [write(i, MADE_UP, TRUE, condition="blank") for i in range(80)]
    found = probe_hallucination(answer([*told, *blank], card, "rouge_l", "caption"), sampling)
    assert found is not None
    rates = found["ways"]["full"]
    assert rates["reports"]["value"] == 25
    assert rates["reports"]["low"] < 25 < rates["reports"]["high"]
    # 20 reports with 3 findings of which 2 are made up, 60 with 1
    assert rates["unsupported"]["value"] == pytest.approx(100 * 40 / 120, abs=1e-3)
    assert rates["unsupported"]["of"] == 120 and rates["missed"]["value"] == 0
    assert found["ways"]["blank"]["reports"]["value"] == 100
    assert found["ways"]["baseline"]["reports"]["value"] == 0
    counts = {one["finding"]: one for one in found["by_finding"]}
    assert counts["effusion"]["unsupported"] == 20 and counts["lesion"]["unsupported"] == 0
    assert found["examples"][0]["unsupported"] == ["cardiomegaly", "effusion"]


def test_only_what_writes_reports_is_looked_at(card: Card, sampling: Sampling) -> None:
    told = [write(i, MADE_UP, TRUE) for i in range(4)]
    assert probe_hallucination(answer(told, card), sampling) is None
    silent = [predict(i, "a tree", "a house", baseline="") for i in range(4)]
    assert probe_hallucination(answer(silent, card, "rouge_l", "caption"), sampling) is None
