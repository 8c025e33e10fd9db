"""Subgroup gaps: the best and the worst served part of a data set, and how sure the gap is.

Among many parts one is always best and one worst, so that their gap is above zero by chance alone.
Three things guard against reading too much into it: its interval is widened for the number of pairs
that were looked at (Bonferroni), the gap is compared with gaps of parts dealt out at random (a
permutation test, by whole groups), and the p-values of all gaps of a size are adjusted together
for the false discovery rate (Benjamini and Hochberg, J R Stat Soc B 57, 1995).

Parts are those that the data tells: modality, the attributes of its records (such as sex, age and
view), category. Where two of them part the items alike, the first stands for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.intervals import difference, gain_scale
from components.evaluation.scoring import Scored
from components.probes.material import Answered
from components.probes.measure import Places, Sampling, choose, count_groups, estimate_part

MODALITY, CATEGORY = "modality", "category"
SHUFFLES = 999
MIN_PART = 10  # items; the scores of fewer say nothing


def probe_subgroups(answered: Sequence[Answered], sampling: Sampling) -> list[dict[str, Any]]:
    """Scores of every part of MIN_PART items or more, and the gap, for all data sets.

    A part holds at least two independent groups. ``p`` is that of the permutation test, ``q`` is
    adjusted for all gaps. Nothing for a data set without two such parts.
    """
    asked = [
        _probe(own, attribute, parts, sampling)
        for own in answered
        for attribute, parts in _find_parts(own).items()
    ]
    probed = [found for found in asked if found]
    if probed:
        from scipy.stats import false_discovery_control  # 0.5 s to import

        adjusted = false_discovery_control([found["p"] for found in probed])
        probed = [
            {**found, "q": round(float(q), 4)} for found, q in zip(probed, adjusted, strict=True)
        ]
    return probed


def _find_parts(answered: Answered) -> dict[str, dict[str, Places]]:
    """The parts of each attribute that has two or more, by name; each way of parting once."""
    full, groups = answered.full, answered.scored.groups
    labels = {MODALITY: [prediction.modality for prediction in full]}
    for name in sorted({name for prediction in full for name in prediction.attributes}):
        labels[name] = [prediction.attributes.get(name, "") for prediction in full]
    labels[CATEGORY] = [prediction.category for prediction in full]
    found: dict[str, dict[str, Places]] = {}
    seen: set[frozenset[bytes]] = set()
    for attribute, own in labels.items():
        parts = {name: choose([label == name for label in own]) for name in sorted({*own} - {""})}
        parts = {
            name: places
            for name, places in parts.items()
            if len(places) >= MIN_PART and groups.only(places).num > 1
        }
        alike = frozenset(places.tobytes() for places in parts.values())
        if len(parts) > 1 and alike not in seen:
            found[attribute] = parts
            seen.add(alike)
    return found


def _probe(
    answered: Answered, attribute: str, parts: dict[str, Places], sampling: Sampling
) -> dict[str, Any] | None:
    """None where the metric is defined on fewer than two parts, as an area needs all classes."""
    scored, num = answered.scored, len(answered.full)
    scale = scored.metric.scale
    measured = [
        {"name": name, **sampling.measure_scored(scored.only(np.isin(np.arange(num), places)))}
        for name, places in parts.items()
    ]
    measured = [part for part in measured if part["value"] is not None]
    if len(measured) < 2:
        return None
    parts = {part["name"]: parts[part["name"]] for part in measured}
    ordered = sorted(measured, key=lambda part: -part["value"])
    best, worst = (parts[ordered[place]["name"]] for place in (0, -1))
    gap = sampling.measure(
        difference(estimate_part(scored, best), estimate_part(scored, worst)),
        scored.groups,
        num_comparisons=comb(len(parts), 2),
        scale=gain_scale(scale),
        num_telling=count_groups(scored, best, worst),
    )
    return {
        **answered.head(),
        "attribute": attribute,
        "parts": ordered,
        "gap": gap,
        "p": round(permute_gap(scored, list(parts.values()), sampling.seed), 4),
    }


def permute_gap(scored: Scored, parts: Sequence[Places], seed: int) -> float:
    """How often parts dealt out at random have a gap between best and worst mean as large as these.

    Whole groups are dealt where every group lies in one part, else items, and the groups' luck is
    left in. It compares means of the metric's values per item.
    """
    places = np.concatenate(parts)
    label_S = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    value_S = scored.values["full"][places]
    unit_S = _find_units(scored.groups.index_S[places], label_S)
    _, first, unit_S = np.unique(unit_S, return_index=True, return_inverse=True)
    label_U, dice = label_S[first], np.random.default_rng(seed)
    observed = _gap(value_S, label_S, len(parts))
    shuffled = [
        _gap(value_S, dice.permutation(label_U)[unit_S], len(parts)) for _ in range(SHUFFLES)
    ]
    as_large = sum(gap >= observed - 1e-9 for gap in shuffled)
    return (1 + as_large) / (1 + SHUFFLES)


def _find_units(group_S: NDArray[np.intp], label_S: NDArray[np.intp]) -> NDArray[np.intp]:
    """What is dealt out together: the groups, or each item where a group lies in several parts."""
    num_pairs = len(np.unique(np.stack([group_S, label_S]), axis=1).T)
    return group_S if num_pairs == len(np.unique(group_S)) else np.arange(len(group_S))


def _gap(value_S: NDArray[np.float64], label_S: NDArray[np.intp], num_parts: int) -> float:
    counts = np.bincount(label_S, minlength=num_parts)
    means = np.bincount(label_S, value_S, num_parts) / np.maximum(counts, 1)
    return float(np.ptp(means[counts > 0]))
