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
HOW_REACHED = ("read by", "built on it", "touched")  # nearest first
ANSWERING = ("evaluate", "evaluate_zero_shot", "probe")


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
    yield from _tell_left_out(trace)
    if trace.num_figures:
        yield _line("figures", f"{trace.num_figures}")
    for path, splits in trace.examples.items():
        counts = ", ".join(f"{num} {split}" for split, num in splits.items())
        yield _line("examples", f"{path}: {counts}")
    if not trace.is_known:
        yield "  is not known: neither in the corpus, nor left out of it, nor in a data set"
        return
    answers = [product for product in trace.formed if product.stage in ANSWERING]
    others = [product for product in trace.formed if product not in answers]
    words = {one.path: _how_reached(trace, one.path) for one in others}
    for product in sorted(others, key=lambda one: HOW_REACHED.index(words[one.path])):
        told = f"{product.path} ({product.stage}, manifest {product.sha256[:12]})"
        aside = ": in vocabulary or audit alone" if product.path in trace.aside else ""
        yield _line(words[product.path], told + aside)
    if answers:
        yield _line("answers", f"{len(answers)} folders of data/predictions, scored here:")
    yield from _tell_scores(trace.scores)
    yield from _tell_scores(trace.tested, "tested by", "data")


def _how_reached(trace: RecordTrace, path: str) -> str:
    """Which of ``HOW_REACHED`` a product is."""
    if path in trace.read_by:
        return HOW_REACHED[0]
    return HOW_REACHED[2 if path in trace.aside else 1]


def _tell_left_out(trace: RecordTrace) -> Iterator[str]:
    """A line a reason: of an article's figures there may be many, and one tells of all."""
    for (reason,), rows in trace.left_out.partition_by(
        "reason", as_dict=True, maintain_order=True
    ).items():
        first = rows.row(0, named=True)
        words = f"{first['origin']} {first['detail']}".rstrip()
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        yield _line("left out", f"{reason}: {words}{more}")


def _tell_scores(
    scores: Iterable[Score], word: str = "score", what: str = "model"
) -> Iterator[str]:
    for score in scores:
        of = "" if score.is_current else f" (of an earlier state of the {what})"
        value = "not defined" if score.value is None else f"{score.value:.1f}"
        yield _line(word, f"{score.path}: {score.dataset} {score.metric} {value}{of}")


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
    yield from _tell_scores(trace.scores)
    for key, value in sorted(product.manifest["settings"].items()):
        yield _line("setting", f"{key}: {value}")


def _tell_share(trace: ModelTrace, one: Product) -> str:
    """Every text shapes the vocabulary, and is audited; not every one is trained on."""
    return ": not trained on, in vocabulary or audit alone" if one.path in trace.aside else ""


def _tell_source(raw: Product) -> str:
    card = load_card(raw.manifest["identity"]["source"])
    facts = {"title": card.title, "made": raw.is_made, **card.source.model_dump()}
    return _line("source", _describe_source(facts))


def _describe_source(of: Mapping[str, Any]) -> str:
    """Title and terms first; which version it is may be a long story."""
    terms = f"{of['title']}: {of['licence']}; access: {of['access']}; version: {of['version']}"
    return terms + (" (made up by the sample world in this format)" if of["made"] else "")


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
        yield _line("source", _describe_source(source))
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
