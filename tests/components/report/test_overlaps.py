"""The audit on the page: official overlaps are said to be so, evidence stands side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.audit.wordruns import BEGIN, END
from components.report.flags import find_flags
from components.report.inputs import ReportInputs
from components.report.overlaps import list_evidence, list_overlaps, split_passage
from components.report.page import build_report
from components.report.terms import list_model_terms, name_terms


def test_what_the_makers_left_so_is_official_and_no_red_flag(inputs: ReportInputs) -> None:
    rows = {(row.test, row.train): row for row in list_overlaps(inputs)}
    assert rows["VQA-RAD", "VQA-RAD"].official == "the questions were divided"
    assert rows["VQA-RAD", "SLAKE"].official == ""
    flags = [flag for flag in find_flags(inputs, [], []) if flag.section == "audit"]
    told = {flag.title: flag for flag in flags}
    red = "Test images that are also training images, byte for byte"
    assert told[red].level == "red" and "SLAKE" in told[red].detail
    assert told[f"{red}, by the set's own design"].level == "note"


def test_a_kind_that_is_left_out_of_training_is_no_worry(inputs: ReportInputs) -> None:
    audit = inputs.audit | {"settings": inputs.audit["settings"] | {"drop": ["same_image"]}}
    dropped = replace(inputs, audit=audit)
    assert not [f for f in find_flags(dropped, [], []) if "byte for byte" in f.title]
    assert all(row.dropped == (row.kind.title == "same image") for row in list_overlaps(dropped))


def test_evidence_shows_both_images_and_marks_shared_words(inputs: ReportInputs) -> None:
    (_, (pair,)), (_, (text,)) = list_evidence(inputs)
    assert [side for side, _ in pair.images] == ["test", "train"]
    assert ("patients <randomly> assigned", True) in text.passage
    page = build_report(inputs)
    assert "<mark>patients &lt;randomly&gt; assigned</mark>" in page
    assert page.count('alt="test image"') == 1


def test_a_passage_without_marks_is_all_there_is() -> None:
    assert split_passage("a b") == [("a b", False)]
    assert split_passage("") == []
    assert split_passage(f"{BEGIN} a {END}") == [("a", True)]


@pytest.mark.parametrize(
    ("licence", "access", "terms"),
    [
        ("CC BY 4.0", "open", ["attribution"]),
        ("CC BY-NC-ND 4.0", "non-commercial", ["non-commercial", "no derivatives"]),
        ("PhysioNet credentialed data use agreement", "credentialed", ["credentialed"]),
        ("SEER Research Data Use Agreement", "agreement", ["by agreement"]),
        ("unknown (so says the hub)", "open", ["unstated"]),
        ("terms of the National Library of Medicine", "open", ["own terms"]),
        ("CC BY-SA 4.0", "open", ["share-alike"]),
        ("MIT", "open", ["attribution"]),
    ],
)
def test_licences_and_access_come_to_terms(licence: str, access: str, terms: list[str]) -> None:
    assert name_terms(licence, access) == terms


def test_a_model_inherits_the_strictest_term(inputs: ReportInputs) -> None:
    params = inputs.params.model_copy(update={"pretrained_on": ["iu_xray"]})
    terms = {row.model: row for row in list_model_terms(replace(inputs, params=params))}
    assert terms["pretrained"].strictest == "non-commercial"
    assert "IU X-ray" in dict(terms["pretrained"].reasons)["non-commercial"]
    assert terms["fine-tuned on MedNLI"].strictest == "credentialed"
    assert terms["fine-tuned on SLAKE"].strictest == "non-commercial"
