"""Generalise or memorise: the score of test items by how near they are to what was trained on.

Words: the share of an item's runs of RUN_WORDS words that stand in training texts, as overlap is
measured for contamination (Brown et al., Language models are few-shot learners, 2020, appendix C;
Touvron et al., Llama 2, 2023, appendix A.6), with shorter runs than there, so that nearness has
degrees. Images: the correlation with the training image that looks most alike
(components/audit/looks.py), without the crops and mirrors that the audit tries.

The training material is the data set's own training part and that of the sets that were pretrained
on; articles are left to the audit. Items that are far may be harder for another reason: the same
difference of the baseline, which only knows the answers' frequencies, is told beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from components.audit.looks import Vectors, describe, shrink
from components.audit.wordruns import hash_runs, split_words
from components.evaluation.conditions import FULL
from components.evaluation.intervals import Floats, difference, gain_scale
from components.evaluation.scoring import BASELINE
from components.probes.material import Answered
from components.probes.measure import Places, Sampling, count_groups, estimate_part
from components.readers.images import BadImage, decode_rgb
from components.records import ImageRecord, batches

RUN_WORDS = 3
THIRDS = (1 / 3, 2 / 3)
MIN_BIN = 10  # items; of fewer no verdict is given
MARGIN = 10.0  # points of the score: a difference within it both ways is called none
BATCH, NUM_TEXTS = 256, 4096  # images, and training texts, that are looked at together
Nearness = Mapping[str, float]


def measure_words(sources: Mapping[str, str], training: Iterable[str]) -> Nearness:
    """Item to the share (0 to 1) of its distinct runs that stand in training texts.

    An item with fewer than RUN_WORDS words has none, and is left out.
    """
    runs = {
        name: np.unique(hash_runs(split_words(text), RUN_WORDS)) for name, text in sources.items()
    }
    keys = np.unique(np.concatenate([*runs.values(), np.zeros(0, np.uint64)]))
    found = np.zeros(len(keys), np.bool_)
    for texts in batches(dict.fromkeys(training), NUM_TEXTS):
        seen = [hash_runs(split_words(text), RUN_WORDS) for text in texts]
        found |= np.isin(keys, np.concatenate(seen))
    return {
        name: float(found[np.searchsorted(keys, own)].mean())
        for name, own in runs.items()
        if len(own)
    }


def describe_images(images: Iterable[ImageRecord], wanted: Collection[str]) -> dict[str, Vectors]:
    """Image to what it looks like; those that are too plain or unreadable have none."""
    found: dict[str, Vectors] = {}
    for image in images:
        if image.id in wanted and image.id not in found:
            vector = _describe(image)
            if vector is not None:
                found[image.id] = vector
    return found


def _describe(image: ImageRecord) -> Vectors | None:
    try:
        views = shrink(decode_rgb(image.bytes))
    except BadImage:
        return None
    return None if views is None else describe(views[0])


def measure_looks(
    tests: Collection[str], trains: Collection[str], vectors: Mapping[str, Vectors]
) -> Nearness:
    """Test image to its correlation (-1 to 1) with the training image that is most alike.

    An image that is in both collections is as near as can be. Empty without a training image.
    Rounded to four digits, so that equal images are equally near.
    """
    known = [vectors[name] for name in trains if name in vectors]
    if not known:
        return {}
    known_TD = np.stack(known)
    nearness: dict[str, float] = {}
    for batch in batches((name for name in tests if name in vectors), BATCH):
        best = (np.stack([vectors[name] for name in batch]) @ known_TD.T).max(1)
        nearness.update(zip(batch, best.astype(np.float64).round(4).tolist(), strict=True))
    return nearness


def probe_distance(
    answered: Answered, nearness: Mapping[str, Nearness], sampling: Sampling
) -> list[dict[str, Any]]:
    """Scores by thirds of nearness, for each kind of it that differs among the items.

    ``nearness``: ``words`` by item, ``looks`` by image. ``bins`` run from far to near. ``fall`` is
    the score of the nearest less that of the farthest, ``baseline_fall`` the baseline's.
    """
    keys = {"words": [p.id for p in answered.full], "looks": [p.image_id for p in answered.full]}
    probed = []
    for kind, names in keys.items():
        known = [place for place, name in enumerate(names) if name in nearness[kind]]
        values = np.array([nearness[kind][names[place]] for place in known], np.float64)
        parts = [np.array(known)[part] for part in split_thirds(values)]
        if len(parts) > 1:
            near = dict(zip(known, values.tolist(), strict=True))
            told = _compare(answered, parts, near, sampling)
            probed.append(
                {**answered.head(), "kind": kind, "unmeasured": len(names) - len(known), **told}
            )
    return probed


def split_thirds(values: Floats) -> list[Places]:
    """Places of the farthest third, the middle and the nearest; equal values stay together."""
    if not len(values):
        return []
    edges = np.unique(np.quantile(values, THIRDS))
    bins = np.searchsorted(edges, values, side="right")
    return [np.flatnonzero(bins == number) for number in np.unique(bins)]


def _compare(
    answered: Answered, parts: Sequence[Places], near: Mapping[int, float], sampling: Sampling
) -> dict[str, Any]:
    scored, bins = answered.scored, []
    scale = scored.metric.scale
    for places in parts:
        chosen = np.zeros(len(answered.full), np.bool_)
        chosen[places] = True
        part, values = scored.only(chosen), [near[place] for place in places.tolist()]
        span = {"from": round(min(values), 4), "to": round(max(values), 4)}
        bins.append(span | sampling.measure_scored(part))
    falls = {
        name: sampling.measure(
            difference(estimate_part(scored, parts[-1], way), estimate_part(scored, parts[0], way)),
            scored.groups,
            scale=gain_scale(scale),
            num_telling=count_groups(scored, parts[0], parts[-1]),
        )
        for name, way in (("fall", FULL), ("baseline_fall", BASELINE))
    }
    enough = min(len(parts[0]), len(parts[-1])) >= MIN_BIN
    return {"bins": bins, **falls, "verdict": judge_fall(**falls) if enough else "few"}


def judge_fall(fall: Mapping[str, Any], baseline_fall: Mapping[str, Any]) -> str:
    """``falls`` with distance, ``harder`` (as the baseline does), ``holds`` or ``open``.

    It holds where the difference lies within MARGIN, or what is far is answered better.
    """
    low, high = fall["low"], fall["high"]
    if low is None or high is None:
        return "open"
    if low > 0:
        return "harder" if (baseline_fall["low"] or 0) > 0 else "falls"
    return "holds" if high <= 0 or -MARGIN <= low <= high <= MARGIN else "open"
