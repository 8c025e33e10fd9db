"""What may be handed on: by the data class that a product inherited, and by licences of records.

The rules are the careful ones of the report (components/report/terms.py). A model is refused where
records that may not be handed on formed it (``cards.RESTRICTED``); its other terms travel with it.
What holds records themselves (a corpus, the questions and answers of predictions, the excerpts of a
report) is refused too where a licence does not say that anybody may pass them on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from components.artifacts.manifest import Kind, SourceFacts
from components.cards import ACCESS_NOTES, RESTRICTED, load_card
from components.errors import UserError
from components.pubmed.licences import PUBLISHER, name_kind
from components.records import find_shards
from components.report.terms import name_terms
from components.tracing.corpus import scan
from components.tracing.products import Product, Products

HANDED_ON = frozenset({"attribution", "share-alike", "non-commercial"})
ARTICLES = "data/articles"
CORPUS_SOURCES = ("pubmed", "pmc_oa")  # judged by the licence that each article states
FORMED_BY_TEXT = ("data/models/", "data/vocabulary")  # they hold no records
OTHERS_WEIGHTS = "weights of others"


def list_sources(products: Products, path: str, *, records: bool) -> list[SourceFacts]:
    """The raw sources that formed a product, by name; ``records``: only those whose records it
    holds. Weights that were brought from elsewhere are among them, of terms that nobody knows.
    """
    skip = FORMED_BY_TEXT if records else ()
    before = products.list_before(path, skip=skip)
    found = [_describe(product) for product in before if product.stage == "acquire"]
    if not records:
        found += _list_foreign([products.by_path[path], *before])
    return sorted(found, key=lambda source: source.name)


def _describe(product: Product) -> SourceFacts:
    card = load_card(product.manifest["identity"]["source"])
    source = card.source
    return SourceFacts(
        name=card.name,
        title=card.title,
        version=source.version,
        licence=source.licence,
        access=source.access,
        terms=[] if product.is_made else name_terms(source.licence, source.access),
        made=product.is_made,
    )


def _list_foreign(products: Iterable[Product]) -> list[SourceFacts]:
    """What models were started from that is no product of this project."""
    paths = {
        name
        for product in products
        if product.stage in ("pretrain", "fit_image_tokenizer")
        for name in product.inputs
        if not name.startswith("data/")
    }
    return [
        SourceFacts(
            name=Path(path).name, title=OTHERS_WEIGHTS, version="", licence="not known here",
            access="", terms=["unstated"], made=False,
        )
        for path in sorted(paths)
    ]  # fmt: skip


def check_permission(kind: Kind, products: Products, path: str) -> None:
    """UserError, with every reason, where a product may not be handed on."""
    product = products.find(path)
    reasons = [_tell_class(products, path, name) for name in product.manifest["access"]
               if name in RESTRICTED]  # fmt: skip
    if kind != "model":
        reasons += _tell_records(products, path)
    if reasons:
        raise UserError(
            f"{path} may not be published",
            why="\n        ".join(reasons),
            next_command="take these data sets out of params.yaml and run it again, or ask their "
            "owners; `dvc push` to a remote that only the entitled can read stays open to you",
        )


def _tell_class(products: Products, path: str, access: str) -> str:
    """Of a class, which raw source brought it."""
    brought = [
        product.manifest["identity"]["source"]
        for product in products.list_before(path)
        if product.stage == "acquire" and access in product.manifest["access"]
    ]
    named = ", ".join(sorted(brought)) or "a product that it was made of"
    return f"{named}: {access}, {ACCESS_NOTES[access]}; it formed {path}"


def _tell_records(products: Products, path: str) -> list[str]:
    sources = list_sources(products, path, records=True)
    reasons = [
        f"{source.name}: licence {source.licence} ({', '.join(barred)})"
        for source in sources
        if source.name not in CORPUS_SOURCES
        and (barred := [term for term in source.terms if term not in HANDED_ON])
    ]
    if any(source.name in CORPUS_SOURCES and not source.made for source in sources):
        reasons += _tell_articles(count_licences(Path(ARTICLES)))
    return reasons


def _tell_articles(licences: Mapping[str, int]) -> list[str]:
    return [
        f"{ARTICLES}: {num} articles or figures under {licence!r} ({', '.join(barred)})"
        for licence, num in sorted(licences.items())
        if (barred := [term for term in name_terms(licence) if term not in HANDED_ON])
    ]


def count_licences(articles: Path) -> dict[str, int]:
    """How many articles and figures of a corpus state which licence, by its short name."""
    counts: dict[str, int] = {}
    for folder in ("articles", "figures"):
        rows = scan(find_shards(articles / folder), ("licence",))
        found = rows.group_by("licence").len().collect()
        for licence, num in found.iter_rows():
            name = name_kind(licence) or PUBLISHER
            counts[name] = counts.get(name, 0) + num
    return counts
