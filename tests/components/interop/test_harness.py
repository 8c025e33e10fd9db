"""This model in the LM Evaluation Harness, where that is installed."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from PIL import Image

pytest.importorskip("lm_eval", reason="needs lm-eval, which is not among the dependencies")

from lm_eval.api.instance import Instance

from components.dataset.images import ImageStore
from components.errors import UserError
from components.evaluation.predict import Answerer, answer_all
from components.interop.harness import HarnessModel, cut_at
from components.model.specials import BOS, EOS
from components.records import ImageRecord
from components.tasks.registry import TASKS
from tests.components.evaluation.conftest import ask, infer


def request(kind: str, *arguments: Any) -> Instance:
    return Instance(request_type=kind, doc={}, arguments=arguments, idx=0)


def test_a_likelihood_is_that_of_the_tokens_one_by_one(answerer: Answerer) -> None:
    model = HarnessModel(answerer, TASKS["answer"])
    source, text = " is it normal?", " yes"
    (found,) = model.loglikelihood([request("loglikelihood", source, text)])
    vocabulary = answerer.vocabulary
    states = answerer.model.encode(torch.tensor([[BOS, *vocabulary.encode(source), EOS]]))
    tokens, total = [BOS], 0.0
    for token in [*vocabulary.encode(text), EOS]:
        with torch.no_grad():
            features = answerer.model.decode(torch.tensor([tokens]), states)
            logits = answerer.model.project(features)[0, -1]
        total += float(logits.log_softmax(-1)[token])
        tokens.append(token)
    assert found[0] == pytest.approx(total, abs=1e-4)


def test_batches_of_mixed_lengths_and_images_keep_the_order(
    answerer: Answerer, images: list[ImageRecord]
) -> None:
    model = HarnessModel(answerer, TASKS["answer"])
    picture = Image.open(io.BytesIO(images[0].bytes))
    seen: list[dict[str, Any]] = [{"visual": [picture]}]
    requests = [
        request(
            "loglikelihood",
            f" is it normal{' rib' * (i % 5)}?",
            (" yes", " two ribs")[i % 2],
            *(seen if i % 3 == 0 else []),
        )
        for i in range(11)
    ]
    together = model.loglikelihood(requests)
    alone = [model.loglikelihood([one])[0] for one in requests]
    assert [value for value, _ in together] == pytest.approx([v for v, _ in alone], abs=1e-4)
    assert together[0][0] != pytest.approx(
        model.loglikelihood([request("loglikelihood", *requests[0].args[:2])])[0][0], abs=1e-6
    )


def test_what_is_generated_is_what_evaluate_answers(
    answerer: Answerer, images: list[ImageRecord], tmp_path: Any
) -> None:
    items = ask(images)
    store = ImageStore([], answerer.image_px)
    store.encoded |= {record.id: record.bytes for record in images}
    ours = answer_all(answerer, TASKS["vqa"], items, [[] for _ in items], store=store)
    pictures = {r.id: Image.open(io.BytesIO(r.bytes)) for r in images}
    settings = {"until": [], "max_gen_toks": answerer.search.max_length_b}
    theirs = HarnessModel(answerer, TASKS["vqa"]).generate_until(
        [request("generate_until", e.source, settings, {"visual": [pictures[e.image_id]]})
         for e in items]
    )  # fmt: skip
    assert theirs == [answer.text for answer in ours] and len(set(theirs)) > 1


def test_the_decoder_is_prompted_as_the_task_says(answerer: Answerer) -> None:
    pair = infer(1)[0]
    as_source = HarnessModel(answerer, TASKS["understand"])
    plain = HarnessModel(answerer, TASKS["answer"])
    asked = [request("loglikelihood", pair.source, " yes")]
    assert as_source.loglikelihood(asked) != plain.loglikelihood(asked)


def test_sampling_and_rolling_likelihoods_are_refused(answerer: Answerer) -> None:
    model = HarnessModel(answerer, TASKS["vqa"])
    with pytest.raises(UserError, match="sampling"):
        model.generate_until([request("generate_until", " a", {"do_sample": True})])
    with pytest.raises(UserError, match="rolling"):
        model.loglikelihood_rolling([])
    assert cut_at("two ribs\nand more", ["\n"]) == "two ribs"
    assert cut_at("two ribs", ["", "x"]) == "two ribs"
