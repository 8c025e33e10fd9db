"""The page is whole, self-contained, honest, and safe with text from anywhere."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from components.config import Params
from components.report.inputs import QuarantineGroup, ReportInputs, SourceFile
from components.report.page import SECTIONS, build_report

VOID = {"meta", "img", "br", "link", "input", "hr"}
EVIL = '</title></script><script>alert(1)</script><img src=x onerror="alert(2)">'


class Outline(HTMLParser):
    """Tags in order, with a check that each opened one is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.found)


@pytest.fixture(scope="module")
def page(inputs: ReportInputs) -> str:
    return build_report(inputs)


def words(page: str) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_is_well_formed_and_small(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    assert len(page.encode()) < 5_000_000


def test_sections_stand_in_order_and_every_link_has_a_target(page: str) -> None:
    outline = Outline(page)
    ids = [attrs["id"] for tag, attrs in outline.found if tag == "section"]
    assert ids == [name for name, _ in SECTIONS]
    targets = {attrs["href"] for tag, attrs in outline.found if tag == "a"}
    assert targets <= {f"#{name}" for name in ids}


def test_loads_nothing(page: str) -> None:
    for tag, attrs in Outline(page).found:
        assert tag not in ("link", "iframe", "object", "embed", "form")
        assert (attrs.get("src") or "data:image/").startswith("data:image/")
        assert not any(name.startswith("on") or name == "style" for name in attrs), (tag, attrs)
    assert not re.search(r"url\(|@import|fetch\(|https?://(?!example)", page)


def test_only_its_own_script_and_style_may_run(page: str) -> None:
    policy = next(a["content"] for t, a in Outline(page).found if t == "meta" and "http-equiv" in a)
    assert policy is not None and policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_text_from_data_stays_text(inputs: ReportInputs, page: str) -> None:
    reply = replace(inputs.samples[0].replies[0], answer=EVIL, blank_answer=EVIL)
    sample = replace(
        inputs.samples[0], question=EVIL, truth=EVIL, baseline=EVIL, modality=EVIL, replies=[reply]
    )
    group = QuarantineGroup("data/x", EVIL, EVIL, False, 1, [(EVIL, EVIL)])
    evidence = dict.fromkeys(inputs.audit["evidence"][0], EVIL)
    evidence |= {"kind": "same_image", "num_items": 2}
    assert inputs.corpus is not None
    hostile = build_report(
        replace(
            inputs,
            samples=[sample],
            quarantine=[group],
            audit=inputs.audit | {"evidence": [evidence]},
            corpus=replace(
                inputs.corpus,
                licences={"figure": {EVIL: 3}},
                figure_modalities={EVIL: 2},
                publication_types={EVIL: 2},
                languages={EVIL: 2},
                sources=[SourceFile(EVIL, EVIL, 1, 1, 0, 0)],
            ),
            tokenizer={EVIL: EVIL},
            instruction_modalities={EVIL: {EVIL: 1}},
        )
    )
    outline = Outline(hostile)
    assert outline.open == []
    assert outline.count("script") == Outline(page).count("script") == 1
    assert not any("onerror" in attrs for _, attrs in outline.found)
    assert EVIL in "".join(outline.text)


def test_synthetic_data_is_said_loudly_and_real_data_is_not(
    inputs: ReportInputs, page: str
) -> None:
    assert words(page).count("Synthetic data") >= 4
    assert "our column says nothing beside the published one" in words(page)
    acquire = inputs.params.acquire.model_copy(update={"mode": "local"})
    params = inputs.params.model_copy(update={"acquire": acquire})
    real = words(build_report(replace(inputs, params=params)))
    assert "ynthetic" not in real
    assert "Beside the paper" in real and "drawn here: train, validation, test" in real


def test_says_what_it_is_not(page: str) -> None:
    text = words(page)
    assert "Research only, not for clinical use" in text
    assert "this project's reconstruction of the list of 23" in page.replace("&#39;", "'")
    assert not re.search(r"state.of.the.art|\bSOTA\b", text, flags=re.IGNORECASE)


def test_every_headline_score_is_printed_with_bounds_and_n(inputs: ReportInputs, page: str) -> None:
    text = words(page)
    for scores in inputs.metrics.values():
        for summary in scores.values():
            of = summary["scores"][summary["headline"]]["all"]
            assert f"{of['value']:.1f} {of['low']:.1f} to {of['high']:.1f}" in text
            assert f"{of['n']} ({of['groups']})" in text


def test_a_run_that_has_done_nothing_still_has_a_page(params: Params) -> None:
    text = words(build_report(ReportInputs(params=params, cards={})))
    assert "Nothing has been scored yet" in text
    assert "No overlap audit was run" in text
    assert "Asked for, but not scored" in text


def test_scores_without_bounds_are_shown_as_such(inputs: ReportInputs) -> None:
    size = inputs.params.sizes[0]
    summary = inputs.metrics[size]["mednli"]
    keys = ("low", "high", "baseline_low", "baseline_high", "baseline_gain_low",
            "baseline_gain_high")  # fmt: skip
    bare = summary["scores"]["accuracy"]["all"] | dict.fromkeys(keys) | {"beats_baseline": False}
    changed = summary | {"scores": {"accuracy": {"all": bare}}}
    text = words(build_report(replace(inputs, metrics={size: {"mednli": changed}})))
    assert f"{bare['value']:.1f}" in text and "nan" not in text.lower()


def test_repeats_byte_for_byte(inputs: ReportInputs, page: str) -> None:
    assert build_report(inputs) == page


def test_the_image_tokenizer_is_shown_by_modality(inputs: ReportInputs, page: str) -> None:
    text = words(page)
    assert "histology 30 18.2 0.500 90 35.2 % 36.0" in text
    assert "xray 82 21.4 0.713 160 62.5 % 64.0" in text
    assert "all 112 19.8 0.641 213 83.2 % 85.2" in text
    single = {k: v for k, v in inputs.tokenizer.items() if k != "by_modality"}
    only = single | {"by_modality": {"xray": inputs.tokenizer["by_modality"]["xray"]}}
    assert "all 112" not in words(build_report(replace(inputs, tokenizer=only)))


def test_a_headline_that_is_not_defined_is_told_and_not_drawn(inputs: ReportInputs) -> None:
    size = inputs.params.sizes[0]
    metrics = copy.deepcopy(inputs.metrics)
    for summary in metrics[size].values():  # as an area where the test lacks a class
        for of in summary["scores"][summary["headline"]].values():
            of.update({key: None for key, value in of.items() if isinstance(value, float)})
            of.update(beats_baseline=False, falls_when_blank=False, conditions={})
    page = build_report(replace(inputs, metrics=metrics, scale_gains=[]))
    assert Outline(page).open == []
