"""Ratings are joined blindly, checked, and the key is opened last."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import UserError
from components.rating.joining import HANDED_IN, join_ratings
from components.rating.study import KEY
from components.rating.unblinding import unblind

Rate = Callable[..., Path]


def read_log(folder: Path) -> list[str]:
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_joining_says_how_raters_agree_and_nothing_of_sources(study: Path, rate: Rate) -> None:
    joined = join_ratings(study, [rate("anna"), rate("bert", shift=1)], 200, 1)
    assert list(joined["raters"]) == ["anna", "bert"]
    found = joined["agreement"]["factuality"]
    assert 0.5 < found["krippendorff_alpha"]["value"] < 1
    assert list(found["cohen_kappa"]) == ["anna and bert"] and found["cannot_judge"] == 0
    told = (study / "joined.json").read_text()
    assert not any(word in told for word in ("reference", "micro", "baseline", "debug"))


def test_the_key_opens_when_all_have_handed_in_and_not_before(study: Path, rate: Rate) -> None:
    with pytest.raises(UserError, match="0 of 2 raters"):
        unblind(study, 200, 1)
    join_ratings(study, [rate("anna")], 200, 1)
    with pytest.raises(UserError, match="1 of 2 raters have handed in"):
        unblind(study, 200, 1)
    join_ratings(study, [rate("anna"), rate("bert")], 200, 1)
    results = unblind(study, 200, 1)
    assert read_log(study) == [
        "make",
        "unblind refused",
        "join",
        "unblind refused",
        "join",
        "unblind",
    ]
    with pytest.raises(UserError, match="is unblinded"):
        join_ratings(study, [rate("anna"), rate("cleo")], 200, 1)
    factuality = results["scales"]["factuality"]
    assert factuality["reference"]["value"] == 5 and factuality["micro"]["value"] == 1
    assert factuality["micro"]["to_reference"]["value"] == -4 and factuality["micro"]["n"] == 8
    alpha = results["agreement"]["factuality"]["krippendorff_alpha"]
    assert alpha == {"value": 1, "low": None, "high": None}  # all agreed: nothing bounds it


def test_what_cannot_be_judged_counts_for_nothing(study: Path, rate: Rate) -> None:
    def leave_out(path: Path) -> Path:
        given = json.loads(path.read_text())
        for row in given["ratings"]:
            if row["item"] == 1:
                row["harm"] = None
        path.write_text(json.dumps(given))
        return path

    files = [leave_out(rate(name)) for name in ("anna", "bert")]
    joined = join_ratings(study, files, 200, 1)
    assert joined["agreement"]["harm"]["cannot_judge"] > 0
    results = unblind(study, 200, 1)
    assert results["scales"]["harm"]["reference"]["n"] == 7
    assert results["scales"]["factuality"]["reference"]["n"] == 8


def test_a_changed_key_or_changed_ratings_open_nothing(study: Path, rate: Rate) -> None:
    join_ratings(study, [rate("anna"), rate("bert")], 200, 1)
    kept = (study / KEY).read_text()
    (study / KEY).write_text(kept.replace("micro", "debug", 1))
    with pytest.raises(UserError, match="not the key"):
        unblind(study, 200, 1)
    (study / KEY).write_text(kept)
    ratings = study / "ratings/anna.json"
    ratings.write_text(ratings.read_text().replace("5", "4", 1))
    with pytest.raises(UserError, match="not what was joined"):
        unblind(study, 200, 1)
    assert not (study / "results.json").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"key_sha256": "0" * 64}, "of another study"),
        ({"ratings": []}, "question 1, answer A: factuality is not rated"),
        ({"rater": "../anna"}, "the rater's code"),
        ({"ratings": [{"item": 1}]}, "holds no ratings"),
        (
            {"ratings": [{"item": 1, "answer": "A", "factuality": 6, "relevance": 1, "harm": 1}]},
            "question 1, answer A: factuality is 6",
        ),
    ],
)
def test_bad_files_are_refused_by_name(
    study: Path, rate: Rate, changes: dict[str, object], told: str
) -> None:
    path = rate("anna", **changes)
    with pytest.raises(UserError) as caught:
        join_ratings(study, [path, rate("bert")], 200, 1)
    assert told in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "question 1, answer A is rated more than once"),
        ({"item": 999}, "question 999, answer A is not on the page"),
        ({"answer": "Z"}, "question 1, answer Z is not on the page"),
    ],
)
def test_a_rating_too_many_is_refused(
    study: Path, rate: Rate, change: dict[str, object], told: str
) -> None:
    """Else the last one of two would hold, and none would know."""
    path = rate("anna")
    given = json.loads(path.read_text())
    given["ratings"].append(given["ratings"][0] | {"factuality": 1} | change)
    path.write_text(json.dumps(given))
    with pytest.raises(UserError) as caught:
        join_ratings(study, [path, rate("bert")], 200, 1)
    assert told in str(caught.value) and not (study / "joined.json").exists()


def test_one_rater_is_not_two(study: Path, rate: Rate) -> None:
    with pytest.raises(UserError, match="anna handed in more than once"):
        join_ratings(study, [rate("anna"), rate("anna", shift=1)], 200, 1)


@pytest.mark.parametrize("name", ["study.json", "joined.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"7", b'{"answers": "x", "raters": ["../x"]}', b"[" * 100_000],
    ids=len,
)
def test_a_study_that_is_damaged_is_told(
    study: Path, rate: Rate, name: str, content: bytes
) -> None:
    join_ratings(study, [rate("anna"), rate("bert")], 200, 1)
    (study / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        unblind(study, 200, 1)


@pytest.mark.parametrize("code", ["", "-", "a/b", "../a", "a" * 65, "a\nb", 7])
def test_a_code_that_can_name_no_file_is_refused(study: Path, rate: Rate, code: object) -> None:
    with pytest.raises(UserError, match="the rater's code is"):
        join_ratings(study, [rate("anna", rater=code), rate("bert")], 200, 1)
    assert not (study / HANDED_IN).exists()


def test_ratings_in_a_thousand_brackets_are_none(study: Path, tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="holds no ratings"):
        join_ratings(study, [tmp_path / "deep.json"], 200, 1)
