"""What stands beside scores: passports, arms of balancing, ratings of clinicians."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from components.report.clinicians import view_rated
from components.report.inputs import ReportInputs
from components.report.page import build_report
from components.report.passports import list_passports

HASH = "0123456789abcdef" * 4


def with_passports(inputs: ReportInputs) -> ReportInputs:
    facts = [
        {"name": "test items", "value": {"n": 250}, "sha256": HASH, "path": "data/examples/slake"},
        {"name": "decoding", "value": {"method": "beam search", "no_repeat_ngram": 0}},
        {"name": "seeds", "value": {"models": [7, 8], "resamples": 7}},
        {"name": "data", "value": {"version": "1.0 <new>", "release": ""}, "sha256": HASH},
    ]
    size = inputs.params.sizes[0]
    scores = inputs.metrics[size] | {"slake": inputs.metrics[size]["slake"] | {"passport": facts}}
    return replace(inputs, metrics=inputs.metrics | {size: scores})


def test_a_score_opens_into_what_it_rests_on(inputs: ReportInputs) -> None:
    found = with_passports(inputs)
    (passport,) = list_passports(found)
    assert passport.metrics == "vqa_accuracy 1.1, vqa_accuracy_paper 1.0, token_f1 1.0"
    assert not passport.zero_shot
    rows = {fact.name: fact for fact in passport.facts}
    assert rows["test items"].words == "n 250" and rows["test items"].sha256 == HASH[:16]
    assert rows["decoding"].words == "method beam search, no repeat ngram 0"
    assert rows["seeds"].words == "models 7, 8, resamples 7"
    assert rows["data"].words == "version 1.0 <new>"
    page = build_report(found)
    assert "What each score rests on" in page and HASH[:16] in page and "1.0 &lt;new&gt;" in page
    assert "What each score rests on" not in build_report(inputs)


def make_balance() -> dict[str, Any]:
    def arm(value: float, gain: float) -> dict[str, Any]:
        bounds = {"value": gain, "low": gain - 2, "high": gain + 2, "seeds": [gain, gain + 0.5]}
        return {"value": value, "low": value - 3, "high": value + 3, "gain": bounds}

    return {
        "seeds": [7, 8],
        "arms": {
            "as_is": {"steps": 160, "tokens": 21000, "temperature": None, "draws": {"ct": 9}},
            "balanced": {"steps": 140, "tokens": 20990, "temperature": None, "draws": {"ct": 5}},
            "temperature": {"steps": 150, "tokens": 21010, "temperature": 2.0, "draws": {"ct": 7}},
        },
        "modalities": {
            "ct": {"n": 40, "as_is": arm(50, 0), "balanced": arm(45, -5),
                   "temperature": arm(49, -1)},
            "gross": {"n": 12, "as_is": arm(30, 0), "balanced": arm(37, 7),
                      "temperature": arm(34, 4)},
        },
    }  # fmt: skip


def test_arms_are_compared_by_modality(inputs: ReportInputs) -> None:
    page = build_report(replace(inputs, balances={"debug": make_balance()}))
    section = page.split('<section id="balance">')[1].split("</section>")[0]
    assert "+7.0" in section and "160 steps, 21,000 tokens" in section
    assert section.count('<td class="num alert">') == 1  # ct loses by full balancing
    assert "biomedgpt balance" in build_report(inputs)


def make_rating() -> dict[str, Any]:
    def rated(value: float, **more: Any) -> dict[str, Any]:
        return {"value": value, "low": value - 0.3, "high": value + 0.3, "n": 16, **more}

    gap = {"value": -1.4, "low": -1.9, "high": -0.9}
    return {
        "key_sha256": HASH, "raters": 2, "questions": 16, "levels": {"factuality": 5},
        "scales": {"factuality": {
            "baseline": rated(2.1, to_reference=gap), "micro": rated(3.2, to_reference=gap),
            "debug": rated(2.9, to_reference=gap), "reference": rated(4.6),
        }},
        "agreement": {"factuality": {
            "krippendorff_alpha": {"value": 0.71, "low": 0.6, "high": 0.8},
            "fleiss_kappa": None, "cohen_kappa": {"r1 and r2": 0.7}, "answers": 48,
            "cannot_judge": 3,
        }},
    }  # fmt: skip


def test_an_unblinded_study_is_shown_reference_first(inputs: ReportInputs) -> None:
    found = replace(inputs, rating=make_rating())
    rated = view_rated(found)
    assert rated is not None
    assert [row.source for row in rated.rows] == ["reference", "debug", "micro", "baseline"]
    page = build_report(found)
    assert "r1 and r2: 0.7" in page and "3 of 96" in page and "\N{MINUS SIGN}1.40" in page
    assert view_rated(inputs) is None and "No study was unblinded" in build_report(inputs)
