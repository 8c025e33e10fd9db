"""The page stays small, and shows nothing of sets that may not be handed on."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.config import Params
from components.report.browsing import view_samples
from components.report.budget import MAX_BYTES, fit_budget, keep_share
from components.report.inputs import ReportInputs, Sample
from components.report.numbers import MINUS
from components.report.page import build_report
from components.report.samples import draw_samples
from components.report.scores import list_scores
from components.report.summary import summarize_run
from tests.components.report.conftest import make_card, make_manifest, make_samples
from tests.components.report.test_collect import write_evaluation
from tests.components.report.test_page import words
from tests.components.report.test_probes import make_probes


def make_noise(seed: int) -> bytes:
    """A JPEG that is as large as its pixels allow."""
    picture = Image.frombytes("RGB", (224, 224), random.Random(seed).randbytes(150_528))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def test_a_page_that_is_too_large_shows_fewer_items_of_each_set_and_says_so(
    inputs: ReportInputs,
) -> None:
    first = inputs.samples[0]
    many = [
        replace(first, dataset=name, image_jpeg=make_noise(i))
        for name in ("vqa_rad", "slake")
        for i in range(60)
    ]
    assert sum(len(sample.image_jpeg or b"") for sample in many) > MAX_BYTES
    page = build_report(replace(inputs, samples=many))
    num = page.count('<article class="sample"')
    assert len(page.encode()) < MAX_BYTES and 40 < num < 120
    assert f"{120 - num} items that were drawn are left out" in words(page)
    assert page.count('data-dataset="vqa_rad"') == page.count('data-dataset="slake"') == num / 2
    assert "left out" not in words(build_report(inputs)).split("Some answers")[2].split("Long")[0]


def test_without_any_item_left_the_pictures_of_overlaps_go(inputs: ReportInputs) -> None:
    def render(found: ReportInputs) -> str:
        return "x" * (100 + 1000 * len(found.samples) + 50 * len(found.overlap_pictures))

    assert inputs.overlap_pictures and inputs.samples
    assert len(fit_budget(inputs, render, max_bytes=149)) == 100
    assert len(fit_budget(inputs, render, max_bytes=150)) == 150
    assert len(fit_budget(inputs, render, max_bytes=10)) == 100


@given(st.lists(st.sampled_from("abc"), max_size=40), st.floats(0, 0.999))
def test_a_share_is_less_and_keeps_the_first_of_each_set(names: list[str], share: float) -> None:
    samples = [Sample(name, "", str(i), "", "", "", [], None) for i, name in enumerate(names)]
    kept = keep_share(samples, share)
    assert len(kept) < max(len(samples), 1)
    for name in set(names):
        own = [sample for sample in samples if sample.dataset == name]
        assert [s for s in kept if s.dataset == name] == own[: int(len(own) * share)]


@pytest.mark.parametrize(
    ("access", "num"), [("open", 12), ("credentialed", 0), ("agreement", 0), ("private", 0)]
)
def test_no_item_is_drawn_of_a_set_that_may_not_be_handed_on(
    tmp_path: Path, params: Params, access: Any, num: int
) -> None:
    card = make_card("vqa_rad")
    card = card.model_copy(update={"source": card.source.model_copy(update={"access": access})})
    write_evaluation(tmp_path, params, card)
    metrics = {size: {"vqa_rad": {"headline": "vqa_accuracy"}} for size in params.sizes}
    assert len(draw_samples(tmp_path, params, {"vqa_rad": card}, metrics)) == num


@pytest.mark.parametrize(("access", "num"), [("private", 12), ("credentialed", 0)])
def test_private_items_are_drawn_where_the_house_wants_to_see_them(
    tmp_path: Path, params: Params, access: Any, num: int
) -> None:
    shown = params.report.model_copy(update={"show_private": True})
    params = params.model_copy(update={"report": shown})
    test_no_item_is_drawn_of_a_set_that_may_not_be_handed_on(tmp_path, params, access, num)


@pytest.mark.parametrize("show", [True, False])
def test_a_page_that_shows_private_items_says_for_whom_it_is(
    inputs: ReportInputs, show: bool
) -> None:
    source = inputs.cards["vqa_rad"].source.model_copy(update={"access": "private"})
    card = inputs.cards["vqa_rad"].model_copy(update={"source": source})
    settings = inputs.params.report.model_copy(update={"show_private": show})
    params = inputs.params.model_copy(update={"report": settings})
    page = words(
        build_report(replace(inputs, params=params, cards=inputs.cards | {"vqa_rad": card}))
    )
    assert ("For this house alone. Records of VQA-RAD, which are private" in page) is show
    withheld = "sets that may not be handed on: VQA-RAD" in page
    assert withheld is not show


def test_no_record_of_a_withheld_set_stands_anywhere_on_the_page(inputs: ReportInputs) -> None:
    secret = "the patient of room nine"
    film = "quill_ada.png"  # of a file, by which a set of one's own names its items
    cards = dict(inputs.cards)
    for name in ("vqa_rad", "iu_xray"):
        source = cards[name].source.model_copy(update={"access": "credentialed"})
        cards[name] = cards[name].model_copy(update={"source": source})
    evidence = inputs.audit["evidence"][0] | {"test_text": secret, "passage": secret}
    evidence |= {"test_image": "", "train_image": "", "test_id": film, "train_id": film}
    size = inputs.params.sizes[-1]
    made = replace(
        inputs,
        samples=[],
        audit=inputs.audit | {"evidence": [evidence]},
        probes={size: make_probes("falls", 0.01, "refused", text=secret)},
    )
    made.probes[size]["safety"]["replies"][0]["image"] = "film"  # of one of these sets
    assert secret in words(build_report(made)) and film in words(build_report(made))
    page = build_report(replace(made, cards=cards))
    assert secret not in page and film not in page
    assert "Not shown: its set may not be handed on." in page
    assert "Not one record is shown of sets that may not be handed on: VQA-RAD" in words(page)


def test_a_page_of_answers_shows_many_sets(inputs: ReportInputs) -> None:
    browser = view_samples(inputs)
    names = [sample.dataset for sample in browser.samples]
    assert names == ["vqa_rad", "slake", "iu_xray", "pneumoniamnist", "meqsum", "vqa_rad"]
    assert browser.modalities == ["ct", "x-ray"] and browser.sizes == inputs.params.sizes
    assert browser.withheld == ["MedNLI"]
    assert len(make_samples(inputs.params.sizes)) == len(browser.samples)


def test_the_summary_says_what_each_score_is_worth(inputs: ReportInputs) -> None:
    size = inputs.params.sizes[-1]
    summary = inputs.metrics[size]["slake"]
    plain = summary["scores"]["vqa_accuracy"]["all"] | {
        "value": 60.0, "low": 55.0, "high": 65.0, "baseline": 40.0, "baseline_gain": 20.0,
        "baseline_gain_low": 15.0, "baseline_gain_high": 25.0, "beats_baseline": True,
        "falls_when_blank": True, "visual_gain": 8.25,
    }  # fmt: skip

    def say(**changes: Any) -> Any:
        changed = summary | {"scores": {"vqa_accuracy": {"all": plain | changes}}}
        run = replace(inputs, metrics={size: {"slake": changed}})
        ((task, (sentence,)),) = summarize_run(run, list_scores(run, run.metrics)).tasks
        assert task == "Visual question answering"
        return sentence

    best = say()
    assert (best.title, best.score, best.interval) == ("SLAKE", "60.0", "55.0 to 65.0")
    assert (best.standing, best.words) == ("above", "20.0 above its baseline (+15.0 to +25.0)")
    assert best.image == "the image is worth 8.2 of it" and best.image_helps
    blind = say(falls_when_blank=False)
    assert blind.image == "the image is not shown to help" and not blind.image_helps
    level = say(beats_baseline=False, baseline_gain_low=-1.0)
    assert level.standing == "level"
    assert level.words == f"not shown to be above its baseline of 40.0 ({MINUS}1.0 to +25.0)"
    below = say(beats_baseline=False, baseline_gain=-20.0, baseline_gain_low=-25.0,
                baseline_gain_high=-15.0)  # fmt: skip
    assert below.standing == "below" and below.words.startswith("20.0 below its baseline")
    unbounded = say(beats_baseline=False, baseline_gain_low=None, baseline_gain_high=None)
    assert unbounded.words == "not shown to be above its baseline of 40.0"


def test_the_summary_says_what_was_trained(inputs: ReportInputs) -> None:
    told = dict(summarize_run(inputs, []).trained)
    assert list(told) == inputs.params.sizes
    assert told[inputs.params.sizes[0]] == (
        "pretrained for 19,200 steps, fine-tuned on 8 data sets (38,400 steps in all), "
        "tuned on instructions for 4,800 steps"
    )
    assert summarize_run(replace(inputs, manifests={}), []).trained == []


@pytest.mark.parametrize(("access", "show", "shown"), [
    ("open", False, True), ("credentialed", True, False), ("private", False, False),
    ("private", True, True),
])  # fmt: skip
def test_no_record_of_a_withheld_product_stands_among_what_was_made_of_it(
    inputs: ReportInputs, access: str, show: bool, shown: bool
) -> None:
    tokenizer, prepared = "data/models/image_tokenizer", "data/examples/slake"
    settings = inputs.params.report.model_copy(update={"show_private": show})
    changed = {
        name: inputs.manifests.get(name, make_manifest("prepare", [], 1)) | {"access": [access]}
        for name in (tokenizer, prepared)
    }
    page = build_report(
        replace(
            inputs,
            params=inputs.params.model_copy(update={"report": settings}),
            manifests=inputs.manifests | changed,
        )
    )
    assert ("rebuilt from their codes.</figcaption>" in page) is shown
    assert ("xmlab102/source.jpg" in page) is shown
    assert ("these records may not be handed on" in page) is not shown
    assert "RetractionIn 10000998" in page  # of articles, which are open
