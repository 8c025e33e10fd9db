"""Opening the key: whose answers were how good. A step of its own, logged, and only at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import UserError
from components.evaluation.intervals import bootstrap_mean, gain_scale
from components.lineage import hash_file
from components.rating.joining import (
    JOINED,
    RESULTS,
    HandedIn,
    read_joined,
    read_study,
    tell_interval,
)
from components.rating.log import note_step
from components.rating.study import KEY, REFERENCE


def unblind(folder: Path, resamples: int, seed: int) -> dict[str, Any]:
    """Write and return the results: by scale and source the mean level with its interval over
    questions, and its difference to the reference, paired.

    Each is the mean over raters first. UserError, which is logged, where a rater has not handed
    in, or the key is not the one that the page was made with.
    """
    study = read_study(folder)
    try:
        handed_in = read_joined(folder, study)
        key = _open_key(folder, study)
    except UserError as error:
        note_step(folder, "unblind refused", why=error.what)
        raise
    note_step(folder, "unblind", key_sha256=study["key_sha256"],
              raters=sorted(own.rater for own in handed_in))  # fmt: skip
    how = {"resamples": resamples, "seed": seed}
    results = {
        "key_sha256": study["key_sha256"],
        "raters": len(handed_in),
        "questions": len(study["answers"]),
        "levels": study["scales"],
        "agreement": json.loads((folder / JOINED).read_text())["agreement"],
        "scales": {
            scale: _weigh_sources(key["items"], handed_in, scale, num, how)
            for scale, num in study["scales"].items()
        },
    }
    (folder / RESULTS).write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    return results


def _open_key(folder: Path, study: dict[str, Any]) -> dict[str, Any]:
    path = folder / KEY
    if not path.is_file() or hash_file(path) != study["key_sha256"]:
        raise UserError(
            f"{path} is not the key that the page was made with",
            why=f"the page and every rating name {study['key_sha256']}",
            next_command="bring the sealed file back as it was made; nothing else opens the study",
        )
    key: dict[str, Any] = json.loads(path.read_text())
    return key


def _weigh_sources(
    items: Sequence[dict[str, Any]],
    handed_in: Sequence[HandedIn],
    scale: str,
    num_levels: int,
    how: dict[str, Any],
) -> dict[str, Any]:
    by_source, levels_span = _collect_levels(items, handed_in, scale), (1.0, float(num_levels))
    found: dict[str, Any] = {}
    for source, levels in by_source.items():
        questions = sorted(levels)
        mean = bootstrap_mean(
            [levels[q] for q in questions],
            [f"{q:06d}" for q in questions],
            scale=levels_span,
            **how,
        )
        found[source] = {**tell_interval(mean), "n": len(questions)}
        both = sorted(levels.keys() & by_source.get(REFERENCE, {}).keys())
        if source != REFERENCE and both:
            gaps = [levels[q] - by_source[REFERENCE][q] for q in both]
            gap = bootstrap_mean(
                gaps, [f"{q:06d}" for q in both], scale=gain_scale(levels_span), **how
            )
            found[source]["to_reference"] = tell_interval(gap)
    return found


def _collect_levels(
    items: Sequence[dict[str, Any]], handed_in: Sequence[HandedIn], scale: str
) -> dict[str, dict[int, float]]:
    """Of each source its mean level by question, where a rater could judge."""
    found: dict[str, dict[int, float]] = {}
    place = 0
    for question, item in enumerate(items):
        for sources in item["sources"]:
            given = [own.levels[scale][place] for own in handed_in if own.levels[scale][place]]
            place += 1
            for source in sources if given else ():
                found.setdefault(source, {})[question] = float(np.mean(given))
    return found
