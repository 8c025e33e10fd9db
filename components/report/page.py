"""The HTML report: one self-contained file that loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components import __version__
from components.report.axes import size_strength
from components.report.browsing import FIRST_SHOWN, view_samples
from components.report.budget import fit_budget
from components.report.charts import plot_losses, rank_bars
from components.report.clinicians import view_rated
from components.report.corpus_charts import KINDS, view_corpus
from components.report.figures import plot_forest
from components.report.flags import derived_splits, find_flags
from components.report.inputs import ReportInputs
from components.report.instructions import view_instructions
from components.report.lengths import MAX_COUNTED, NUM_DRAWN
from components.report.looks import view_looks
from components.report.numbers import (
    print_bytes,
    print_count,
    print_gain,
    print_range,
    print_rounded,
    print_score,
    print_share,
)
from components.report.overlaps import find_leaks, list_evidence, list_overlaps
from components.report.passports import list_passports
from components.report.pipeline import draw_pipeline
from components.report.probes import view_probes
from components.report.published import list_comparisons
from components.report.scaling import count_readings, list_gains, plot_scaling
from components.report.scores import (
    ANSWER_SETS,
    TASK_TITLES,
    list_answer_sets,
    list_definitions,
    list_other_answers,
    list_scores,
)
from components.report.summary import summarize_run
from components.report.terms import TERMS, list_model_terms
from components.report.verdict import list_facts, write_verdict
from components.report.zero_shot import MODEL_TITLES, WAYS, view_zero_shot

FOLDER = Path(__file__).parent
SCRIPTS = ("report.js", "samples.js")
SECTIONS = [
    ("summary", "In short"),
    ("worries", "What to worry about"),
    ("pipeline", "The pipeline"),
    ("scores", "Scores"),
    ("looks", "Is the image used?"),
    ("scaling", "Does size help?"),
    ("losses", "Training"),
    ("tokenizer", "Image tokenizer"),
    ("samples", "Some answers"),
    ("long-text", "Long text"),
    ("distance", "Generalise or memorise"),
    ("hallucination", "Hallucination"),
    ("subgroups", "Subgroup gaps"),
    ("safety", "Safety and wording"),
    ("corpus", "Corpus"),
    ("quarantine", "Records set aside"),
    ("instructions", "Instruction data"),
    ("zero-shot", "Zero-shot"),
    ("balance", "Balanced modalities"),
    ("clinicians", "Rated by clinicians"),
    ("audit", "Overlap audit"),
    ("data", "Data sets and licences"),
    ("versions", "Versions and hashes"),
]
TOKENIZER = "data/models/image_tokenizer"
SOURCE_TITLES = {"corpus": "Pretraining text", "vocabulary": "Vocabulary"}


def build_report(inputs: ReportInputs) -> str:
    """The page as HTML, under 5 MB. Whatever came from data stays text: it is escaped, and no
    script but the page's own may run (content security policy by hash)."""
    return fit_budget(inputs, _render)


def _render(inputs: ReportInputs) -> str:
    css = (FOLDER / "report.css").read_text()
    script = "".join((FOLDER / name).read_text() for name in SCRIPTS)
    environment = _make_environment(inputs)
    return environment.get_template("report.html").render(
        inputs=inputs,
        css=Markup(css),  # noqa: S704  our own files, not data
        script=Markup(script),  # noqa: S704
        policy=_write_policy(css, script),
        sections=SECTIONS,
        version=__version__,
        **_view_scores(inputs),
        **_view_material(inputs),
    )


def _view_scores(inputs: ReportInputs) -> dict[str, Any]:
    scores = list_scores(inputs, inputs.metrics)
    zero_shot = list_scores(inputs, inputs.zero_shot)
    forests = [plot_forest(inputs, scores, unit) for unit in ("%", "x100")]
    return {
        "verdict": write_verdict(inputs, scores, zero_shot),
        "summary": summarize_run(inputs, scores),
        "facts": list_facts(inputs, scores),
        "flags": find_flags(inputs, scores, zero_shot),
        "scores": scores,
        "looks": view_looks(scores),
        "zero_shot": zero_shot,
        "unseen": view_zero_shot(inputs),
        "model_titles": MODEL_TITLES,
        "ways": WAYS,
        "definitions": list_definitions(inputs),
        "answer_sets": list_answer_sets(inputs),
        "other_answers": list_other_answers(inputs),
        "comparisons": list_comparisons(inputs),
        "probes": view_probes(inputs),
        "passports": list_passports(inputs),
        "rated": view_rated(inputs),
        "balances": inputs.balances,
        "forests": [plot for plot in forests if plot],
        "slopes": plot_scaling(inputs, scores),
        "gains": list_gains(inputs),
        "readings": count_readings(inputs),
        "losses": plot_losses(inputs),
        "confidence": f"{100 * inputs.params.evaluate.confidence:g}",
    }


def _view_material(inputs: ReportInputs) -> dict[str, Any]:
    cards = list(inputs.cards.values())
    return {
        "picture": draw_pipeline(inputs.manifests),
        "corpus_view": view_corpus(inputs),
        "talks": view_instructions(inputs),
        "tokenizer_numbers": _flatten(
            {k: v for k, v in inputs.tokenizer.items() if k not in ("all", "by_modality")}
        ),
        "tokenizer_quality": _list_quality(inputs.tokenizer),
        "reconstructions": _data_uri("png", _pick_reconstructions(inputs)),
        "browser": view_samples(inputs),
        "first_shown": FIRST_SHOWN,
        "overlaps": list_overlaps(inputs),
        "leaks": find_leaks(inputs),
        "evidence": list_evidence(inputs),
        "model_terms": list_model_terms(inputs),
        "term_meanings": TERMS,
        "task_titles": TASK_TITLES | SOURCE_TITLES,
        "cards": cards,
        "answers_from": ANSWER_SETS,
        "derived": derived_splits(inputs),
        "products": [_view_product(inputs, name) for name in inputs.manifests],
        "settings": yaml.safe_dump(inputs.params.model_dump(), sort_keys=False),
    }


def _pick_reconstructions(inputs: ReportInputs) -> bytes | None:
    """None where an image among them may be of a set of which no record may be shown."""
    return None if inputs.withholds_product(TOKENIZER) else inputs.reconstructions_png


def _make_environment(inputs: ReportInputs) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": print_score,
        "gain": print_gain,
        "count": print_count,
        "rounded": print_rounded,
        "bytes": print_bytes,
        "words": lambda name: name.replace("_", " "),
    }
    environment.globals |= {
        "range": print_range,
        "data_uri": _data_uri,
        "rank": rank_bars,
        "share": print_share,
        "strength": lambda size: size_strength(inputs.params, size),
        "kinds": KINDS,
        "max_counted": MAX_COUNTED,
        "num_drawn": NUM_DRAWN,
        "confidence": f"{100 * inputs.params.evaluate.confidence:g}",
    }
    return environment


def _write_policy(css: str, script: str) -> str:
    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest(css)}'; "
        f"script-src 'sha256-{digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def _data_uri(kind: str, content: bytes | None) -> str:
    if content is None:
        return ""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _flatten(values: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Numbers and words of a nested summary, as (name, printed value); lists are left out."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        label = f"{above}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            rows.extend(_flatten(value, f"{label}, "))
        elif isinstance(value, float):
            rows.append((label, f"{value:,.4g}"))
        elif isinstance(value, int) and not isinstance(value, bool):
            rows.append((label, print_count(value)))
        elif isinstance(value, str | bool):
            rows.append((label, str(value)))
    return rows


def _list_quality(summary: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The rows of the tokenizer's table: each modality, and all images where there are several."""
    rows: list[tuple[str, dict[str, Any]]] = list(summary.get("by_modality", {}).items())
    return [*rows, ("all", summary["all"])] if len(rows) > 1 else rows


def _view_product(inputs: ReportInputs, folder: str) -> dict[str, Any]:
    manifest = inputs.manifests[folder]
    settings = json.dumps(manifest["settings"], sort_keys=True)
    return {
        "folder": folder,
        "stage": manifest["stage"],
        "counts": [manifest["counts"][key] for key in ("in", "out", "quarantined")],
        "hash": inputs.hashes.get(folder, "")[:12],
        "code": manifest["code_sha256"][:12],
        "settings": hashlib.sha256(settings.encode()).hexdigest()[:12],
        "num_bytes": sum(file["bytes"] for file in manifest["files"].values()),
    }
