"""From a record to what it formed, and from a model to what formed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from components.tracing.corpus import (
    Document,
    count_figures,
    find_left_out,
    find_taken,
)
from components.tracing.documents import count_examples
from components.tracing.products import DATA, Product, Products
from components.tracing.retractions import CORPUS, count_retractions

# What reads every data set and trains on none: the words of a vocabulary, and what the audit found.
SHARED = ("data/vocabulary", "data/audit")


@dataclass(frozen=True, slots=True)
class Score:
    """A number of the metrics (None where it is not defined): where it stands, and whether its
    model, or its data, is the one that is here."""

    path: str
    dataset: str
    metric: str
    value: float | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class RecordTrace:
    """What became of an article. ``taken`` and ``left_out`` are rows with shard and origin.

    ``tested`` are the scores on test items that are about it, whichever model they are of.

    ``formed`` are the products that its corpus or its training examples formed, ``read_by`` the
    paths of those that read them directly, ``aside`` those that they reached through vocabulary or
    audit and in no other way.
    """

    document: Document
    taken: pl.DataFrame
    left_out: pl.DataFrame
    num_figures: int
    examples: Mapping[str, Mapping[str, int]]
    formed: list[Product]
    read_by: set[str]
    aside: set[str]
    scores: list[Score]
    tested: list[Score]

    @property
    def is_known(self) -> bool:
        """Whether it stands anywhere."""
        return bool(len(self.taken) or len(self.left_out) or self.examples)


def trace_record(products: Products, document: Document) -> RecordTrace:
    """Follow an article to the last number that it formed; memory holds its own rows alone."""
    taken = find_taken(document)
    if len(taken):  # the other number too: figures and data sets may use that one
        pmid, pmcid = (max(taken[name].to_list()) for name in ("pmid", "pmcid"))
        document = Document(document.pmid or pmid, document.pmcid or pmcid)
    examples = count_examples(products, document)
    begin = [CORPUS] * bool(len(taken))
    # a test item forms no model: what holds the article for the test alone formed no weights
    begin += [path for path, splits in examples.items() if set(splits) - {"test"}]
    formed = products.list_after(begin)
    return RecordTrace(
        document=document,
        taken=taken,
        left_out=find_left_out(document),
        num_figures=count_figures(document),
        examples=examples,
        formed=formed,
        read_by=products.list_readers(begin),
        aside={one.path for one in formed}
        - {one.path for one in products.list_after(begin, skip=SHARED)}
        - {*SHARED},
        scores=list_scores(products, {product.path for product in formed}),
        tested=list_scores(
            products, {path for path, splits in examples.items() if "test" in splits}, "data"
        ),
    )


def list_scores(
    products: Products, paths: set[str], what: str = "model", root: Path = DATA
) -> list[Score]:
    """The headline scores whose passport has one of these paths as its ``model``, or ``data``."""
    found: list[Score] = []
    for path in sorted((root / "metrics").rglob("*.json")):
        summary: dict[str, Any] = {}
        with suppress(FileNotFoundError):  # a run has just begun to make it anew
            summary = json.loads(path.read_bytes())
        facts = [
            fact
            for fact in summary.get("passport", [])
            if fact["name"] == what and fact["path"] in paths
        ]
        if not facts:
            continue
        headline = summary["headline"]
        found.append(
            Score(
                path.as_posix(), summary["dataset"], headline,
                summary["scores"][headline]["all"]["value"],
                all(_is_current(products, fact) for fact in facts),
            )
        )  # fmt: skip
    return found


def _is_current(products: Products, fact: Mapping[str, Any]) -> bool:
    product = products.by_path.get(fact["path"])
    return product is not None and product.sha256 == fact["sha256"]


@dataclass(frozen=True, slots=True)
class ModelTrace:
    """What formed a product of this project: every product before it, and the facts of them.

    ``aside`` are paths that formed its vocabulary or the audit, and nothing else of it. ``changed``
    are inputs that are here in another state than the product was made of.
    """

    product: Product
    before: list[Product]
    aside: set[str]
    changed: list[str]
    retractions: Mapping[str, int]
    scores: list[Score]

    @property
    def data_sets(self) -> list[Product]:
        """The folders of examples, instructions and articles among them."""
        stages = ("prepare", "prepare_biomed_vital", "ingest_pubmed")
        return [product for product in self.before if product.stage in stages]


def trace_product(products: Products, path: str) -> ModelTrace:
    """Follow a product to the raw files; UserError where none lies there."""
    product = products.find(path)
    before = products.list_before(product.path)
    direct = products.list_before(product.path, skip=SHARED)
    changed = [
        f"{name} (of {one.path})"
        for one in [product, *before]
        for name in products.list_changed(one.path)
    ]
    return ModelTrace(
        product=product,
        before=before,
        aside={one.path for one in before} - {one.path for one in direct} - {*SHARED},
        changed=changed,
        retractions=count_retractions([product, *before]),
        scores=list_scores(products, {product.path}),
    )
