"""The open questions on the page: what was found stands there, and what is worrying is flagged."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from components.report.flags import find_flags
from components.report.inputs import ReportInputs
from components.report.page import build_report
from components.report.probes import list_worries, view_probes
from tests.components.report.test_page import EVIL, Outline, words

SECTIONS = ("long-text", "distance", "hallucination", "subgroups", "safety")


def measured(value: float | None, spread: float = 4.0, n: int = 120) -> dict[str, Any]:
    bounds = (None, None) if value is None else (value - spread, value + spread)
    return {"value": value, "low": bounds[0], "high": bounds[1], "n": n, "groups": n // 2}


def make_probes(verdict: str, q: float, outcome: str, text: str = "some words") -> dict[str, Any]:
    """What ``probes/survey.py`` writes of one size, with planted numbers."""
    head = {"dataset": "slake", "metric": "Accuracy", "unit": "%"}
    rates = {name: {**measured(20.0), "of": 90} for name in
             ("reports", "unsupported", "contradicted", "missed")}  # fmt: skip
    outcomes = ("safe", "harmful", "refused", "abstained", "other")
    return {
        "lengths": [
            {**head, "dataset": "meqsum", "limit": 56, "longest": 130, "over": 12.5,
             "bins": [{"up_to": 64, **measured(60.0)}, {"up_to": 128, **measured(41.5)}]},
        ],
        "windows": [
            {**head, "dataset": "meqsum", "window": 32, "longer": 99, "over_all_windows": 0,
             "cut": measured(30.0), "windowed": measured(33.0), "gain": measured(3.0)},
        ],
        "distance": [
            {**head, "kind": "looks", "unmeasured": 2, "fall": measured(21.0),
             "baseline_fall": measured(1.0), "verdict": verdict,
             "bins": [{"from": 0.1, "to": 0.5, **measured(50.0)},
                      {"from": 0.6, "to": 1.0, **measured(71.0)}]},
        ],
        "hallucination": {
            "known": 47,
            "agreement": {"texts": 30, "findings": 32, "precision": measured(93.8),
                          "recall": measured(91.2)},
            "sets": [
                {**head, "dataset": "iu_xray", "reports": 90,
                 "ways": dict.fromkeys(("baseline", "text_only", "blank", "full"), rates),
                 "by_finding": [{"finding": "mass", "said": 9, "unsupported": 4, "expected": 6,
                                 "missed": 1}],
                 "examples": [{"id": "iu/1", "said": text, "reference": text,
                               "unsupported": ["mass"]}]},
            ],
        },
        "subgroups": [
            {**head, "attribute": "modality", "gap": measured(17.0), "p": 0.004, "q": q,
             "parts": [{"name": "ct", **measured(80.0)}, {"name": "mr", **measured(63.0)}]},
        ],
        "safety": {
            "version": "1.0", "kinds": {"dose": "A dose is asked for."}, "not_asked": 0,
            "rules": {"refused": "a", "abstained": "b"},
            "rates": [{"kind": kind, "n": 1, **{name: measured(25.0) for name in outcomes}}
                      for kind in ("all", "dose")],
            "replies": [{"id": "dose-1", "kind": "dose", "image": "none", "prompt": "how much?",
                         "rule": "mg", "findings": False,
                         "reply": text, "outcome": outcome, "safe": outcome == "refused"}],
        },
        "wording": {
            "dataset": "vqa_rad", "questions": 40,
            "changes": [
                {"name": "typo", "words": "letters", "wanted": "stay", "flipped": measured(12.0),
                 "examples": [{"asked": text, "answer": "yes", "changed": text, "then": text}]},
                {"name": "opposite", "words": "turned", "wanted": "turn"},
            ],
        },
    }  # fmt: skip


@pytest.fixture
def probed(inputs: ReportInputs) -> ReportInputs:
    found = {
        "debug": make_probes("falls", 0.01, "harmful"),
        "micro": make_probes("holds", 0.3, "refused"),
    }
    return replace(inputs, probes=found)


def section(page: str, name: str) -> str:
    (found,) = re.findall(rf'<section id="{name}">(.*?)</section>', page, flags=re.DOTALL)
    return words(found)


def test_every_question_has_its_numbers_on_the_page(probed: ReportInputs) -> None:
    page = build_report(probed)
    assert Outline(page).open == []
    shown = {name: section(page, name) for name in SECTIONS}
    assert "12.5 % of the items are over the limit of 56" in shown["long-text"]
    assert "+3.0" in shown["long-text"] and "+21.0" in shown["distance"]
    assert "falls with distance" in shown["distance"] and "holds" in shown["distance"]
    assert "precision 93.8 %" in shown["hallucination"] and "of 90" in shown["hallucination"]
    assert re.search(r"Grey image.*No image.*the baseline", shown["hallucination"], re.DOTALL)
    assert "text_only" not in shown["hallucination"]
    assert "parts by sex or age or view" in shown["subgroups"] and "0.010" in shown["subgroups"]
    assert "how much? A dose is asked for. Harmful: mg" in shown["safety"]
    assert "fits no question" in shown["safety"]


def test_what_was_not_asked_is_said(inputs: ReportInputs) -> None:
    page = build_report(inputs)
    for name in SECTIONS:
        assert re.search(r"No |no ", section(page, name)), name
    assert list(list_worries(inputs)) == []


def test_worries_follow_the_numbers(probed: ReportInputs) -> None:
    worries = {section: (level, detail) for level, _, detail, section in list_worries(probed)}
    assert worries["safety"] == ("red", "debug: 1 of 1 (100.0 %)")
    assert worries["distance"][1] == "SLAKE (debug, looks)"
    assert worries["subgroups"][1].startswith("SLAKE (debug), by modality: ct above mr by 17.0")
    titles = [flag.title for flag in find_flags(probed, [], [])]
    assert "Harmful replies to dangerous requests" in titles
    sound = {"micro": make_probes("holds", 0.3, "refused")}
    assert list(list_worries(replace(probed, probes=sound))) == []


def test_a_value_without_bounds_is_drawn_and_printed(probed: ReportInputs) -> None:
    found = make_probes("few", 0.5, "other")
    found["distance"][0]["bins"][0] |= {"low": None, "high": None}
    found["distance"][0]["fall"] = measured(None)
    found["hallucination"]["sets"][0]["ways"]["full"]["missed"] = {**measured(None), "of": 0}
    page = build_report(replace(probed, probes={"micro": found}))
    assert "too few items" in section(page, "distance")


def test_replies_stay_text(probed: ReportInputs) -> None:
    page = build_report(replace(probed, probes={"micro": make_probes("open", 1.0, "other", EVIL)}))
    outline = Outline(page)
    assert outline.open == [] and outline.count("script") == 1
    assert not any("onerror" in attrs for _, attrs in outline.found)


def test_sizes_stand_side_by_side(probed: ReportInputs) -> None:
    view = view_probes(probed)
    (chart,) = view["distance_charts"]
    assert [line.strength for line in chart.lines] == [2, 3]
    assert [label for _, label in chart.labels] == ["far", "near"]
    assert all(low > high for line in chart.lines for *_, low, high in line.points)
    assert [size for size, _ in view["subgroups"]] == ["debug", "micro"]
    assert len(view["requests"]) == 1 and len(view["requests"][0]["replies"]) == 2


def test_a_value_that_is_not_defined_has_no_place_in_a_chart(probed: ReportInputs) -> None:
    found = make_probes("few", 0.5, "other")
    found["distance"][0]["bins"][0] |= measured(None)
    found["lengths"][0]["bins"] = [own | measured(None) for own in found["lengths"][0]["bins"]]
    made = replace(probed, probes={"micro": found})
    view = view_probes(made)
    (chart,), (empty,) = view["distance_charts"], view["length_charts"]
    assert [len(line.points) for line in (*chart.lines, *empty.lines)] == [1, 0]
    assert "too few items" in section(build_report(made), "distance")
