"""What stages wrote is what the report reads, from small real files."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.cards import Card
from components.config import Params
from components.errors import UserError
from components.evaluation.summary import summarize
from components.lineage import write_manifest
from components.pubmed.licences import PUBLISHER
from components.records import (
    Article,
    Example,
    Figure,
    ImageRecord,
    Prediction,
    Reject,
    write_records,
)
from components.report.collect import collect_inputs
from components.report.corpus import count_by_split
from components.report.inputs import ReportInputs
from components.report.page import build_report
from components.report.samples import read_pictures

ARTICLE = Article(
    pmid="1", pmcid="", version=1, kind="abstract", title="t", text="x", sections=[], journal="j",
    year=2001, language="eng", mesh=[], publication_types=[], doi="", licence="CC BY",
    retracted=False, concern=False, origin="f#1", origin_sha256="0",
)  # fmt: skip


def make_png(mode: str) -> bytes:
    values = np.linspace(0, 60000, 300 * 200).reshape(200, 300)
    picture = Image.fromarray(
        values.astype(np.uint16) if mode == "I;16" else (values / 256).astype(np.uint8)
    )
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def write_corpus(root: Path) -> None:
    folder = root / "articles"
    articles = [
        ARTICLE,
        replace(ARTICLE, pmid="2", year=2003, licence="", concern=True),
        replace(ARTICLE, pmid="4", licence="© 2015 A journal."),
        replace(ARTICLE, pmid="5", licence="Copyright © 2016 Another journal."),
        replace(ARTICLE, pmid="3", kind="fulltext", retracted=True),
    ]
    figure = Figure("f1", "PMC1", "1", "c", [], "g", "", "CC BY", "ct", "o")
    write_records(folder / "articles/a.parquet", Article, articles[:2])
    write_records(folder / "articles/b.parquet", Article, articles[2:])
    figures = [figure, replace(figure, id="f2", image_id="abc")]
    write_records(folder / "figures/a.parquet", Figure, figures)
    write_manifest(
        folder, stage="ingest_pubmed", identity={}, settings={}, inputs=[],
        counts={"in": 8, "out": 3},
        rejects=[Reject(f"f#{i}", "short", "2 words") for i in range(5)],
    )  # fmt: skip


def predict(i: int, condition: str, size: str, answer: str) -> Prediction:
    return Prediction(
        id=f"vqa_rad/{i}", dataset="vqa_rad", size=size, condition=condition, prediction=answer,
        target="yes", references=["yes"], log_probability=-1.0, baseline="no", category="closed",
        group=str(i), image_id=f"image{i % 2}", source="is it?",
    )  # fmt: skip


def write_evaluation(root: Path, params: Params, card: Card) -> None:
    for size, right in zip(params.sizes, (3, 18), strict=True):
        folder = root / f"predictions/{size}/vqa_rad"
        rows = [
            predict(i, condition, size, "yes" if i < right and condition == "full" else "no")
            for i in range(20)
            for condition in ("full", "blank")
        ]
        write_records(folder / "predictions.parquet", Prediction, rows)
        path = root / f"metrics/{size}/vqa_rad.json"
        path.parent.mkdir(parents=True)
        chosen = {"num_candidates": 2, "answers_outside": 0.0}
        path.write_text(json.dumps({**summarize(rows, card, params.evaluate, 1), **chosen}))
    images = [
        ImageRecord(f"image{i}", make_png(mode), "PNG", 300, 200, "x-ray", "o")
        for i, mode in enumerate(["L", "I;16"])
    ]
    write_records(root / "examples/vqa_rad/images.parquet", ImageRecord, images)


@pytest.fixture
def root(tmp_path: Path, params: Params, inputs: ReportInputs) -> Path:
    write_corpus(tmp_path)
    write_evaluation(tmp_path, params, inputs.cards["vqa_rad"])
    log = tmp_path / f"models/finetuned/{params.sizes[0]}/vqa_rad/log.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text('{"step": 1, "loss": 2.5, "parts": {"examples": 2.5}}\n')
    example = Example("i/1", "biomed_vital", "instruct", "train", "q", "a", modality="ct")
    write_records(
        tmp_path / "instructions/examples.parquet", Example, [example, replace(example, id="i/2")]
    )
    (tmp_path / "instructions/summary.json").write_text('{"conversations": 1}')
    return tmp_path


def test_reads_what_is_there(root: Path, params: Params, inputs: ReportInputs) -> None:
    found = collect_inputs(root, params, inputs.cards)
    assert found.corpus is not None
    assert found.corpus.articles_by_year == {"abstract": {2001: 3, 2003: 1}, "fulltext": {2001: 1}}
    assert found.corpus.licences["abstract"] == {PUBLISHER: 2, "CC BY": 1, "": 1}
    assert found.corpus.states == {"sound": 3, "retracted": 1, "concern": 1}
    assert found.corpus.num_figures == 2
    assert list(found.manifests) == ["data/articles"] == list(found.hashes)
    (group,) = found.quarantine
    assert (group.reason, group.count) == ("short", 5)
    assert group.examples == [(f"f#{i}", "2 words") for i in range(3)]
    assert found.instruction_modalities == {"train": {"ct": 2}}
    assert found.instructions == {"conversations": 1}
    assert found.logs == {
        f"finetuned/{params.sizes[0]}/vqa_rad": [
            {"step": 1, "loss": 2.5, "parts": {"examples": 2.5}}
        ]
    }


def test_compares_sizes_and_draws_samples(root: Path, params: Params, inputs: ReportInputs) -> None:
    found = collect_inputs(root, params, inputs.cards)
    (gain,) = found.scale_gains
    assert gain.gain.value == pytest.approx(75) and gain.gain.above_zero
    assert len(found.samples) == params.report.examples_per_dataset
    for sample in found.samples:
        assert [reply.size for reply in sample.replies] == params.sizes and sample.truth == "yes"
        for reply in sample.replies:
            assert reply.right == (reply.answer == "yes") and reply.blank_answer == "no"
            assert reply.confidence == pytest.approx(math.exp(-1)) and not reply.unsure
        assert sample.image_jpeg is not None
        picture = Image.open(io.BytesIO(sample.image_jpeg))
        assert picture.format == "JPEG" and max(picture.size) == 224
        assert np.asarray(picture).std() > 40  # 16-bit pictures keep their greys
    assert "VQA-RAD" in build_report(found)


def test_an_empty_folder_gives_an_empty_report(
    tmp_path: Path, params: Params, inputs: ReportInputs
) -> None:
    found = collect_inputs(tmp_path, params, inputs.cards)
    assert found.corpus is None and found.metrics == {} and found.manifests == {}
    assert "Nothing has been scored yet" in build_report(found)


def test_a_damaged_file_that_the_report_counts_or_shows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "examples.parquet"
    write_records(path, ImageRecord, [])
    path.write_bytes(path.read_bytes()[:-9])
    for read in (lambda: count_by_split(path, "modality"), lambda: read_pictures(path, {"a"})):
        with pytest.raises(UserError, match=r"examples\.parquet is damaged"):
            read()
