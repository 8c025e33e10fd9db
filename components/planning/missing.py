"""Which inputs of a training run are not there yet, and the command that brings each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.cards import load_card
from components.checking.listing import EXAMPLES, list_datasets
from components.config import Params
from components.dataset.left_out import FILE as LEFT_OUT
from components.lineage import MANIFEST


@dataclass(frozen=True)
class Missing:
    """A product or raw files that the run needs, and what to do about it."""

    what: str
    command: str


def find_missing(params: Params, stage: str, size: str, dataset: str) -> list[Missing]:
    """Everything that is not there; raw files only where the product made of them is not."""
    wanted = dict(_products(params, stage, size, dataset))
    missing = [
        Missing(path.as_posix(), command)
        for path, command in wanted.items()
        if not (path if path.suffix else path / MANIFEST).exists()
    ]
    names = _cards(params, stage, dataset)
    listed = list_datasets([load_card(name) for name in names], params.acquire)
    return missing + [
        Missing(f"raw files of {row.card.name}", f"biomedgpt datasets {row.card.name}")
        for row in listed
        if not row.is_ready
    ]


def _products(params: Params, stage: str, size: str, dataset: str) -> Iterator[tuple[Path, str]]:
    yield Path("data/vocabulary"), "dvc repro build_vocabulary"
    yield LEFT_OUT, "dvc repro audit"
    if stage == "pretrain":
        yield Path("data/articles"), "dvc repro ingest_pubmed"
        yield Path("data/codes"), "dvc repro tokenize_images"
        yield Path("data/pretraining"), "dvc repro gather_pretraining"
        for name in params.pretrained_on:
            yield EXAMPLES / name, f"dvc repro prepare@{name}"
        for name in params.pretraining_sources:
            yield EXAMPLES / name, f"dvc repro prepare_pretraining@{name}"
        return
    yield Path("data/models/pretrained") / size, f"biomedgpt plan pretrain --size {size}"
    if stage == "finetune":
        yield EXAMPLES / dataset, f"dvc repro prepare@{dataset}"
    else:
        yield Path("data/instructions"), "dvc repro prepare_biomed_vital"


def _cards(params: Params, stage: str, dataset: str) -> list[str]:
    """The data sets and sources whose raw files a stage's own material comes from."""
    if stage == "finetune":
        return [dataset]
    if stage == "instruct":
        return ["biomed_vital"]
    return ["pubmed", "pmc_oa", *params.pretrained_on, *params.pretraining_sources]
