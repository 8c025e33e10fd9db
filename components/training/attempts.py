"""Names of checkpoints, and which of those of all attempts come first and stay.

    <hash of the run's identity>/<attempt>/step-<n>

An attempt's name begins with the time at which it started, so that names sort by age.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from components.training.state import Label

NAME = re.compile(r"[0-9a-f]{12}/[0-9A-Za-z-]+/step-\d{8,}")
Labels = Mapping[str, Label]


def name_run(identity: Mapping[str, Any]) -> str:
    """Twelve hex digits that follow from the identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def name_attempt() -> str:
    """A name that no other attempt has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"


def rank_by_step(labels: Labels) -> list[str]:
    """Names, the latest step first, and of equal steps the youngest attempt's."""
    return sorted(labels, key=lambda name: (labels[name].step, name), reverse=True)


def rank_by_score(labels: Labels) -> list[str]:
    """Names of those with a score, the lowest first, and of equal scores the latest step's."""
    scored = {name: label.score for name, label in labels.items() if label.score is not None}
    return sorted(rank_by_step({name: labels[name] for name in scored}), key=lambda n: scored[n])


def choose_kept(labels: Labels, keep_last: int, keep_best: int) -> list[str]:
    """Names of the last ``keep_last`` and the best ``keep_best``, the latest step first."""
    kept = {*rank_by_step(labels)[:keep_last], *rank_by_score(labels)[:keep_best]}
    return [name for name in rank_by_step(labels) if name in kept]


def find_differences(mine: Any, theirs: Any, key: str = "") -> Iterable[str]:
    """The dotted keys at which two nested dicts differ."""
    if not (isinstance(mine, dict) and isinstance(theirs, dict)):
        if mine != theirs:
            yield key
        return
    for name in sorted(mine.keys() | theirs.keys()):
        inner = f"{key}.{name}" if key else str(name)
        yield from find_differences(mine.get(name), theirs.get(name), inner)
