"""A model card (Mitchell et al. 2019), written from what the run recorded and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.cards import Card
from components.config import Params
from components.errors import UserError
from components.lineage import MANIFEST, hash_file, read_manifest
from components.report.collect import read_json, read_manifests, read_scores, read_zero_shot
from components.report.corpus import count_corpus
from components.report.flags import find_flags
from components.report.inputs import Manifest, ReportInputs
from components.report.numbers import (
    print_count,
    print_gain,
    print_range,
    print_rounded,
    print_score,
)
from components.report.scores import ScoreRow, list_scores
from components.report.terms import TERMS, ModelTerms, list_model_terms

TEMPLATE = "model_card.md"
KINDS = {"pretrain": "pretrained", "finetune": "fine-tuned", "instruct": "instructed"}


def write_model_card(folder: Path, root: Path, params: Params, cards: dict[str, Card]) -> str:
    """The card of a finished model as Markdown.

    ``root`` is the folder ``data`` of its run, ``cards`` are those of its data sets and sources.
    UserError where the folder holds no finished model.
    """
    manifest = read_manifest(folder)
    if manifest["stage"] not in KINDS:
        raise UserError(
            f"{folder} is no model, but what {manifest['stage']} made",
            next_command="name a folder below data/models/pretrained, finetuned or instructed",
        )
    inputs = _read_run(root, params, cards)
    size, dataset = manifest["identity"]["size"], manifest["identity"].get("dataset", "")
    scores, zero_shot = _find_scores(inputs, manifest["stage"], size, dataset)
    data = _list_data(inputs, dataset, manifest["stage"])
    return (
        _make_environment()
        .get_template(TEMPLATE)
        .render(
            name=" ".join(filter(None, [size, inputs.title(dataset) if dataset else ""])),
            kind=KINDS[manifest["stage"]],
            manifest=manifest,
            manifest_sha256=hash_file(folder / MANIFEST),
            inputs=inputs,
            data=data,
            terms=_find_terms(inputs, manifest["stage"], dataset),
            meanings=TERMS,
            rows=[*scores, *zero_shot],
            zero_shot=bool(zero_shot),
            flags=find_flags(
                _narrow(inputs, size, scores, zero_shot, data),
                scores,
                zero_shot,
            ),
            confidence=f"{100 * params.evaluate.confidence:g}",
        )
    )


def _read_run(root: Path, params: Params, cards: dict[str, Card]) -> ReportInputs:
    metrics = {size: read_scores(root / "metrics", size, params.datasets) for size in params.sizes}
    return ReportInputs(
        params=params,
        cards=cards,
        manifests=read_manifests(root, params),
        metrics={size: scores for size, scores in metrics.items() if scores},
        zero_shot=read_zero_shot(root, params),
        corpus=count_corpus(root / "articles", root / "vocabulary", params),
        audit=read_json(root / "audit/audit.json"),
    )


def _find_scores(
    inputs: ReportInputs, stage: str, size: str, dataset: str
) -> tuple[list[ScoreRow], list[ScoreRow]]:
    """The rows that are this model's: of its data set, or of those that it had not seen."""
    if stage == "finetune":
        rows = list_scores(inputs, inputs.metrics)
        return [row for row in rows if (row.size, row.dataset) == (size, dataset)], []
    rows = list_scores(inputs, inputs.zero_shot) if stage == "instruct" else []
    return [], [row for row in rows if row.size == size]


def _list_data(inputs: ReportInputs, dataset: str, stage: str) -> list[tuple[Card, Manifest]]:
    """What it was trained on, each with the manifest of its examples (empty where it has none)."""
    params = inputs.params
    names = ["pubmed", "pmc_oa", *params.pretrained_on, *params.pretraining_sources]
    names += [dataset] if stage == "finetune" else ["biomed_vital"] * (stage == "instruct")
    known = [name for name in dict.fromkeys(names) if name in inputs.cards]
    folder = "data/examples/"
    return [(inputs.cards[name], inputs.manifests.get(folder + name, {})) for name in known]


def _narrow(
    inputs: ReportInputs,
    size: str,
    scores: Sequence[ScoreRow],
    zero_shot: Sequence[ScoreRow],
    data: list[tuple[Card, Manifest]],
) -> ReportInputs:
    """The run as far as it is this model's, so that no worry about another stands in its card."""
    tuned, unseen = ({row.dataset for row in rows} for rows in (scores, zero_shot))
    tested = tuned | unseen
    names = {*tested, *(card.name for card, _ in data)}
    own = {f"data/{room}/{name}" for name in names for room in ("raw", "examples")}
    own |= {"data/articles"}
    if any(card.task == "instruct" for card, _ in data):
        own |= {"data/instructions"}
    overlaps = [pair for pair in inputs.audit.get("overlaps", []) if pair["test"] in tested]
    asked = {"sizes": [size], "datasets": [], "zero_shot_on": sorted(unseen)}
    own_scores = {k: of for k, of in inputs.metrics.get(size, {}).items() if k in tuned}
    return replace(
        inputs,
        params=inputs.params.model_copy(update=asked),
        metrics={size: own_scores},
        manifests={name: of for name, of in inputs.manifests.items() if name in own},
        audit=inputs.audit and inputs.audit | {"overlaps": overlaps},
    )


def _find_terms(inputs: ReportInputs, stage: str, dataset: str) -> ModelTerms:
    wanted = f"fine-tuned on {inputs.title(dataset)}" if dataset else KINDS[stage]
    return next(terms for terms in list_model_terms(inputs) if terms.model == wanted)


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701  Markdown: `cell` escapes what comes from data
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "score": print_score,
        "gain": print_gain,
        "count": print_count,
        "rounded": print_rounded,
        "cell": _escape,
    }
    environment.globals["range"] = print_range
    return environment


def _escape(text: Any) -> str:
    """Text on one line, without what Markdown would take for a table's edge or for HTML."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
