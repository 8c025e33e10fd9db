"""Traces in words, a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.cards import load_card
from components.tracing.products import RAW, Product
from components.tracing.retractions import Recall
from components.tracing.trace import ModelTrace, RecordTrace, Score

MAX_LISTED = 20


def _line(word: str, text: str) -> str:
    return f"  {word:<16} {text}"


def tell_record(trace: RecordTrace) -> Iterator[str]:
    """Where an article stands, and all that it formed."""
    yield " ".join(trace.document.names)
    for row in trace.taken.iter_rows(named=True):
        state = "retracted" if row["retracted"] else "of concern" if row["concern"] else "sound"
        yield _line(
            "in the corpus", f"{row['kind']}, version {row['version']}, {state}, {row['licence']}"
        )
        yield f"    title          {row['title']}"
        yield f"    from           {row['origin']}"
        yield f"    shard          {row['shard']}"
    for row in trace.left_out.iter_rows(named=True):
        yield _line("left out", f"{row['reason']}: {row['origin']} {row['detail']}").rstrip()
    if trace.num_figures:
        yield _line("figures", f"{trace.num_figures}")
    for path, splits in trace.examples.items():
        counts = ", ".join(f"{num} {split}" for split, num in splits.items())
        yield _line("examples", f"{path}: {counts}")
    if not trace.is_known:
        yield "  is not known: neither in the corpus, nor left out of it, nor in a data set"
        return
    yield from _tell_products("formed", trace.formed)
    yield from _tell_scores(trace.scores)


def _tell_products(word: str, products: Iterable[Product]) -> Iterator[str]:
    for product in products:
        yield _line(word, f"{product.path} ({product.stage}, manifest {product.sha256[:12]})")


def _tell_scores(scores: Iterable[Score]) -> Iterator[str]:
    for score in scores:
        of = "" if score.is_current else " (of an earlier state of the model)"
        yield _line("score", f"{score.path}: {score.dataset} {score.metric} {score.value:.1f}{of}")


def tell_product(trace: ModelTrace) -> Iterator[str]:
    """Sources with their terms, data sets, retractions, settings and scores of a product."""
    product = trace.product
    yield f"{product.path} ({product.stage}, manifest {product.sha256[:12]})"
    yield _line(
        "code", f"version {product.manifest['version']}, {product.manifest['code_sha256'][:12]}"
    )
    for one in trace.before:
        if one.path.startswith(RAW):
            yield _tell_source(one) + _tell_share(trace, one)
    for one in trace.data_sets:
        counts = one.manifest["counts"]
        told = f"{one.path}: {counts['out']:,} records, manifest {one.sha256[:12]}"
        yield _line("data", told) + _tell_share(trace, one)
    yield from tell_retractions(trace.retractions)
    for name in trace.changed:
        yield _line("changed since", f"{name}: what is here now is not what formed it")
    for key, value in sorted(product.manifest["settings"].items()):
        yield _line("setting", f"{key}: {value}")
    yield from _tell_scores(trace.scores)


def _tell_share(trace: ModelTrace, one: Product) -> str:
    """Every text shapes the vocabulary; not every one is trained on."""
    return " (through the vocabulary alone)" if one.path in trace.by_words else ""


def _tell_source(raw: Product) -> str:
    card = load_card(raw.manifest["identity"]["source"])
    made = ", made up by the sample world in its format" if raw.is_made else ""
    source = card.source
    words = f"{card.title} {source.version}: {source.licence}; {source.access}{made}"
    return _line("source", words)


def tell_retractions(counts: Mapping[str, int]) -> Iterator[str]:
    """How the corpus stands to retracted records."""
    if counts:
        kept = f"{counts['retracted']} are retracted, {counts['concern']} of concern"
        left_out = f"{counts['left_out']} left out as retracted"
        yield _line("retractions", f"{left_out}; of those kept {kept}")


def tell_artifact(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The same of what was fetched, by its own manifest alone."""
    product, around = manifest["product"], manifest["circumstances"]
    yield f"{manifest['name']}@v{manifest['version']} ({manifest['kind']}: {manifest['title']})"
    yield _line("commit", f"{around['git_commit'] or 'not known'}")
    yield _line("stage", f"{around['dvc_stage'] or product['stage']}, seeds {around['seeds']}")
    for source in manifest["sources"]:
        made = ", made up by the sample world in its format" if source["made"] else ""
        words = f"{source['title']} {source['version']}: {source['licence']}; {source['access']}"
        yield _line("source", f"{words}{made}")
    yield _line("terms", f"{manifest['licence']}")
    yield from tell_retractions(manifest["retractions"])
    for path, sha256 in product["formed_by"].items():
        yield _line("formed by", f"{path}, manifest {sha256[:12]}")
    for key, value in sorted(product["settings"].items()):
        yield _line("setting", f"{key}: {value}")


def tell_recall(recall: Recall) -> Iterator[str]:
    """The withdrawn records that formed something, and what."""
    for reader, rows in recall.rows.partition_by(
        "read_by", as_dict=True, maintain_order=True
    ).items():
        states = Counter(rows["state"].to_list())
        counted = ", ".join(f"{num} {state}" for state, num in sorted(states.items()))
        yield f"{reader[0]} held {len(rows)} records that are withdrawn now: {counted}"
        for row in rows.head(MAX_LISTED).iter_rows(named=True):
            names = " ".join(filter(None, [row["pmid"] and f"PMID {row['pmid']}", row["pmcid"]]))
            yield f"  {row['state']:<10} {names}, {row['origin']}"
        if len(rows) > MAX_LISTED:
            yield f"  and {len(rows) - MAX_LISTED} more; --to FILE names them all"
        for path in recall.touched[str(reader[0])]:
            yield f"  touched    {path}"
    if not len(recall.rows):
        yield f"none of {recall.num_withdrawn} withdrawn records formed anything that is here"
    for path in recall.unknown:
        yield f"not known: {path} was made of a corpus whose numbers are not kept here"
    if len(recall.rows):
        yield "next: biomedgpt plan, which says what is stale; biomedgpt run makes it anew"
