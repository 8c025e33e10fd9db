"""A small finished project: raw sources, a corpus, examples, a vocabulary, two models, a score.

Everything is written by the project's own writers, so that what is published and traced is what the
pipeline leaves; only the training itself is left out, and the weights are fresh ones.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image

from components.config import load_params
from components.dataset.left_out import FILE as LEFT_OUT
from components.lineage import QUARANTINE, hash_bytes, hash_file, write_manifest
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import save_model
from components.profiles.overlay import write_params
from components.pubmed.shards import open_shard
from components.records import (
    SCHEMAS,
    Article,
    Example,
    Figure,
    ImageRecord,
    Overlap,
    Reject,
    write_records,
)
from components.stages.evaluate import run as run_evaluate
from components.tokenization.vocabulary import Vocabulary, train_vocabulary
from components.tracing.ledger import keep_ledger

DATA = Path("data")
MODEL = DATA / "models/finetuned/debug/vqa_rad"
PRETRAINED = DATA / "models/pretrained/debug"
EXAMPLES, PREDICTIONS = DATA / "examples/vqa_rad", DATA / "predictions/debug/vqa_rad"
SHARD = "pubmed/baseline/pubmed26n0001.xml.gz.parquet"
TRAINED: dict[str, Any] = {
    "image_px": 32, "max_source_tokens": 24, "long_text": "cut", "seed": 7, "steps": 1,
}  # fmt: skip


def make_project(repository: Path, *, access: str = "") -> None:
    """Make it in the current folder; ``access`` is the class of the data set's records."""
    shutil.copytree(repository / "data/cards", DATA / "cards")
    Path("dvc.yaml").touch()
    write_params("demo")
    for source in ("pubmed", "pmc_oa", "vqa_rad"):
        _finish(DATA / "raw" / source, "acquire", [], {"source": source},
                access=access if source == "vqa_rad" else "")  # fmt: skip
    write_corpus([article("11"), article("12"), article("13", concern=True)], [reject("14")])
    write_examples()
    write_records(LEFT_OUT, Overlap, [])
    _write_vocabulary()
    for folder, stage, inputs, identity in (
        (PRETRAINED, "pretrain", [DATA / "articles"], {"size": "debug"}),
        (MODEL, "finetune", [PRETRAINED, EXAMPLES], {"size": "debug", "dataset": "vqa_rad"}),
    ):
        _write_model(folder, stage, [*inputs, DATA / "vocabulary"], identity)


def article(pmid: str, **changes: Any) -> Article:
    """A sound abstract with a number."""
    values: dict[str, Any] = {
        "pmid": pmid, "pmcid": "", "version": 1, "kind": "abstract", "title": f"Study {pmid}",
        "text": f"What study {pmid} found of the lung.", "sections": [], "journal": "J",
        "year": 2020, "language": "eng", "mesh": [], "publication_types": [], "doi": "",
        "licence": "CC BY", "retracted": False, "concern": False,
        "origin": f"baseline/pubmed26n0001.xml.gz#{pmid}.1", "origin_sha256": "0" * 64,
    }  # fmt: skip
    return Article(**{**values, **changes})


def reject(pmid: str, reason: str = "retracted") -> Reject:
    """A citation that was left out."""
    return Reject(f"baseline/pubmed26n0001.xml.gz#{pmid}.1", reason, f"Study {pmid}")


def write_corpus(articles: Sequence[Article], rejects: Sequence[Reject]) -> None:
    """The corpus, as ingest_pubmed leaves it: a shard of each kind, and its ledger."""
    out = DATA / "articles"
    shutil.rmtree(out, ignore_errors=True)
    for name, kind, rows in (
        ("articles", Article, articles), ("figures", Figure, []), ("images", ImageRecord, []),
        (QUARANTINE, Reject, rejects),
    ):  # fmt: skip
        _write_shard(out / name / SHARD, kind, rows)
    write_manifest(
        out, stage="ingest_pubmed", identity={}, settings={},
        inputs=[DATA / "raw/pubmed", DATA / "raw/pmc_oa"],
        counts={"in": len(articles) + len(rejects), "out": len(articles)},
        reasons={reason: sum(r.reason == reason for r in rejects)
                 for reason in {r.reason for r in rejects}},
        rules=["retracted"],
    )  # fmt: skip
    keep_ledger()


def _write_shard(path: Path, kind: type, rows: Sequence[Any]) -> None:
    schema = SCHEMAS[kind]
    with open_shard(path, schema) as shard:
        columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
        shard.add(pl.DataFrame(columns, schema=pl.Schema(schema)))


def write_examples() -> None:
    """Questions about four images, one of them after an article."""
    images = [_draw(number) for number in range(4)]
    examples = [
        Example(
            id=f"{split}-{number}", dataset="vqa_rad", task="vqa", split=split,
            source=" is the lung clear?", target=f" {'yes' if number % 2 else 'no'}",
            references=["yes" if number % 2 else "no"], prefix=" is the lung clear?",
            image_id=image.id, documents=["PMID 12"] * (number == 0), group=image.id,
            origin=f"x.json#{number}",
        )
        for split in ("train", "validation", "test")
        for number, image in enumerate(images)
    ]  # fmt: skip
    write_records(EXAMPLES / "examples.parquet", Example, examples)
    write_records(EXAMPLES / "images.parquet", ImageRecord, images)
    _finish(EXAMPLES, "prepare", [DATA / "raw/vqa_rad"], {"dataset": "vqa_rad"})


def _draw(number: int) -> ImageRecord:
    pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return ImageRecord(hash_bytes(buffer.getvalue()), buffer.getvalue(), "PNG", 40, 40, "", "x")


def _write_vocabulary() -> None:
    texts = ["is the lung clear? yes no", "what study found of the lung"] * 3
    train_vocabulary(texts, num_merges=40, num_codes=16, num_bins=10).save(DATA / "vocabulary")
    _finish(DATA / "vocabulary", "build_vocabulary", [DATA / "articles", EXAMPLES])


def _write_model(
    folder: Path, stage: str, inputs: Iterable[Path], identity: dict[str, str]
) -> None:
    torch.manual_seed(7)
    size = Vocabulary.load(DATA / "vocabulary").size
    config = model_config("debug", vocabulary_size=size, code_image_size=32)
    save_model(UnifiedModel(config), folder)
    (folder / "log.jsonl").write_text('{"step": 1}\n')
    _finish(folder, stage, [*inputs, LEFT_OUT], identity, settings=TRAINED,
            notes={"parameters": 1})  # fmt: skip


def _finish(
    folder: Path, stage: str, inputs: Iterable[Path], identity: dict[str, str] | None = None,
    *, settings: dict[str, Any] | None = None, **more: Any,
) -> None:  # fmt: skip
    write_manifest(
        folder, stage=stage, identity=identity or {}, settings=settings or {}, inputs=inputs,
        counts={"in": 4, "out": 4, "train": 4}, **more,
    )  # fmt: skip


def evaluate() -> None:
    """Answer the test split and score it, by the stage itself."""
    run_evaluate(load_params(), "debug", "vqa_rad")


def list_files(folder: Path) -> dict[str, str]:
    """Every file of a folder, by its path there: its hash."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}
