"""Writes a small file of every format that outlives a version of this package, by its own writers.

    python -m tests.formats.make tests/formats/v2

The folder of a version is made once, by the code that introduces it, and kept: it is what users
have on their disks. Nothing in it tells of the machine that made it.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

from components.artifacts.manifest import OWN, Circumstances, Manifest, ProductFacts, hash_contents
from components.evaluation.calibration import Calibration, write_calibration
from components.lineage import hash_bytes, write_manifest
from components.model.config import ModelConfig
from components.model.model import UnifiedModel
from components.model.weights import save_model
from components.pubmed.shards import ARTICLES, complete, open_shard
from components.records import (
    Article,
    Example,
    Figure,
    ImageCodes,
    ImageRecord,
    Overlap,
    Prediction,
    Reject,
    write_records,
)
from components.serving.asking import ASKING, Asking
from components.tokenization.image import save_tokenizer
from components.tokenization.vocabulary import train_vocabulary
from components.tokenization.vqgan import Vqgan, VqganConfig
from components.tracing.ledger import keep_ledger
from components.training.state import Checkpoint, write_checkpoint

SHAPE = ModelConfig(
    vocabulary_size=300, d_model=8, ffn_dim=16, encoder_layers=1, decoder_layers=1, num_heads=2,
    trunk_blocks=(1, 1, 1), trunk_width=1, max_positions=16, token_bucket_size=4,
    image_bucket_size=2, code_image_size=16, original_image_size=32, dropout=0.0, drop_path=0.0,
)  # fmt: skip
CODER = VqganConfig(channels=2, latent=2, num_codes=4, multipliers=(1, 1), num_blocks=1,
                    num_groups=1)  # fmt: skip
ARTICLE = Article(
    pmid="11", pmcid="PMC7", version=1, kind="abstract", title="A study", text="What it found.",
    sections=["Results"], journal="J", year=2020, language="eng", mesh=["Lung"],
    publication_types=["Journal Article"], doi="10.1/x", licence="CC BY", retracted=False,
    concern=True, origin="a.xml.gz#11.1", origin_sha256="0" * 64,
)  # fmt: skip
EXAMPLE = Example(
    id="one", dataset="toy", task="vqa", split="test", source=" is it clear?", target=" yes",
    references=["yes", "clear"], candidates=["yes", "no"], image_id="1" * 64, modality="xray",
    documents=["PMID 11"], boxes=[[0.0, 1.0, 2.0, 3.0]], attributes={"sex": "f"}, origin="a.json#0",
)  # fmt: skip
FIGURE = Figure("PMC7#f1", "PMC7", "Figure 1", "A film.", ["See it."], "f1", "1" * 64, "CC BY",
                "xray", "a.xml#f1")  # fmt: skip
OVERLAP = Overlap("same_image", "toy", "one", "iu_xray", "two", "1" * 64, "equal bytes")
CODES, REJECT = ImageCodes("1" * 64, [3, 0, 2, 1]), Reject("a.json#1", "no-answer", "it is empty")
PREDICTION = Prediction(
    id="one", dataset="toy", size="debug", condition="full", prediction="yes", target="yes",
    references=["yes"], log_probability=-0.25, baseline="no", category="open", group="g",
    image_id="1" * 64, source="is it clear?", options=["yes", "no"],
    option_log_probabilities=[-0.25, -1.5],
)  # fmt: skip
ASKED = Asking(
    task="vqa", dataset="toy", image_px=32, max_source_tokens=24, max_target_tokens=6,
    long_text="cut", beam=2, length_penalty=0.5, no_repeat_ngram=3, candidates=["no", "yes"],
)  # fmt: skip
FITTED = Calibration(
    method="temperature", temperature=1.5, split="validation", num_items=200, accuracy=0.5,
    error_before=0.25, error_after=0.125,
)  # fmt: skip
STATE = Checkpoint(
    7, {"model": {"w": torch.arange(6.0).reshape(2, 3)}, "optimizer": {"w": torch.ones(2)}},
    {"log": [{"step": 7, "loss": 0.5}], "optimizer_steps": 7},
)  # fmt: skip
TEXTS = ["is the lung clear? yes, the lung is clear", "no, the lung is not clear"] * 3


def draw_image() -> ImageRecord:
    """A small picture, by its own hash."""
    buffer = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(buffer, "PNG")
    content = buffer.getvalue()
    return ImageRecord(hash_bytes(content), content, "PNG", 8, 8, "xray", "a.png")


def make_product(folder: Path) -> None:
    """A finished product with a file of every kind of record."""
    for row in (EXAMPLE, FIGURE, OVERLAP, CODES, PREDICTION, draw_image()):
        write_records(folder / f"{type(row).__name__}.parquet", type(row), [row])
    with open_shard(folder / "articles/a.parquet", ARTICLES) as shard:
        row = {name: [getattr(ARTICLE, name)] for name in ARTICLE.__slots__}
        kinds = {"version": pl.Int32, "year": pl.Int32}
        shard.add(complete(pl.DataFrame(row, schema_overrides=kinds)))
    write_manifest(
        folder, stage="prepare", identity={"dataset": "toy"}, settings={"max_train": 5}, inputs=[],
        counts={"in": 2, "out": 1}, rejects=[REJECT], access="open",
    )  # fmt: skip
    keep_ledger(folder, folder.parent / "ledgers")


def make_artifact(folder: Path) -> None:
    """What a published model says of itself."""
    files = {"weights": {"bytes": 3, "sha256": hash_bytes(b"abc")}}
    facts = ProductFacts(
        path="data/models/finetuned/debug/toy", stage="finetune", identity={"dataset": "toy"},
        sha256="2" * 64, code_sha256="3" * 64, package="0.1.0", settings={"steps": 3}, formed_by={},
    )  # fmt: skip
    around = Circumstances(
        git_commit="4" * 40, git_changed=False, params={}, dvc={}, dvc_stage="finetune@debug-toy",
        environment={}, seeds=[7], hardware={},
    )  # fmt: skip
    unsummed = Manifest.model_validate({
        "format": 1, "name": "toy", "version": 3, "kind": "model", "title": "A toy", "files": files,
        "content_sha256": "0" * 64, "licence": "CC0", "access": ["open"], "sources": [],
        "retractions": {}, "product": facts, "circumstances": around,
    })  # fmt: skip
    whole = unsummed.model_copy(update={"content_sha256": hash_contents(unsummed.files)})
    folder.mkdir()
    (folder / OWN).write_bytes(whole.dump())


def make(folder: Path) -> None:
    """Every format, below a folder that is not there yet."""
    folder.mkdir(parents=True)
    make_product(folder / "product")
    train_vocabulary(TEXTS, num_merges=20, num_codes=4, num_bins=3).save(folder / "vocabulary")
    torch.manual_seed(7)
    save_model(UnifiedModel(SHAPE), folder / "model")
    save_tokenizer(Vqgan(CODER), folder / "image_tokenizer")
    write_checkpoint(folder / "checkpoint", STATE, {"plan": {"steps": 9}}, score=1.5)
    (folder / ASKING).write_text(ASKED.dump(), encoding="utf-8")
    write_calibration(FITTED, folder)
    make_artifact(folder / "artifact")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
