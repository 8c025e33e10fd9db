"""Does it help to balance modalities? Three arms of instruction tuning at one budget of tokens.

The paper blames "modality bias" on unbalanced data and leaves the remedy open. Here the same
pretrained model is tuned as the data is, with modalities drawn equally often, and by temperature
(components/dataset/balance.py). A modality's texts may be longer than another's, so that equal
steps are no equal budget: an arm gets as many steps as give the same number of tokens. What is
compared are the replies to the held-out conversations, modality by modality.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.config import Params
from components.dataset.balance import AS_IS, choose_balance
from components.dataset.feeds import load_examples
from components.dataset.images import ImageStore
from components.evaluation.intervals import (
    PERCENT,
    Interval,
    Scale,
    bootstrap_mean,
    gain_scale,
)
from components.evaluation.metrics import find_metric
from components.evaluation.predict import answer_all, load_answerer
from components.lineage import MANIFEST, read_manifest
from components.progress import say
from components.records import Example
from components.run_plan import RunPlan, identify, plan_run
from components.runs import dispatch
from components.tasks.encoding import measure_example
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary
from components.training_config import SEED_FOLDER, InstructParams
from components.tuning import IMAGES, instruct_worker

INSTRUCTIONS, VOCABULARY = Path("data/instructions"), Path("data/vocabulary")
PRETRAINED, INSTRUCT = Path("data/models/pretrained"), "instruct"
ARMS = (AS_IS, "balanced", "temperature")
METRIC = "token_f1"
UNLABELLED = "not labelled"
EVERY, MACRO = "all", "mean of modalities"
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of drawing; ``draws`` are those of an epoch, by modality."""

    name: str
    settings: InstructParams
    tokens: int  # that its steps read and learn from, as expected from its draws
    draws: dict[str, int]


def run_balance(params: Params, size: str, num_seeds: int, folder: Path) -> dict[str, Any]:
    """Train and ask every arm from each seed; write ``SIZE.json`` into the folder and return it.

    Models lie below the folder, and nothing of the pipeline is touched. An arm that was finished
    with the same plan is not trained again.
    """
    held_out = load_examples(INSTRUCTIONS, "validation")
    arms = plan_arms(params, size)
    seeds = [params.seed + number for number in range(num_seeds)]
    values: dict[str, Values] = {}
    for arm in arms:
        runs = [_plan(params, size, arm, seed, folder) for seed in seeds]
        values[arm.name] = np.stack([_train_and_ask(plan, params, held_out) for plan in runs])
    found = {
        "size": size,
        "seeds": seeds,
        "metric": {"name": METRIC, "version": find_metric(METRIC).version},
        "held_out": len(held_out),
        "arms": {arm.name: _describe(arm) for arm in arms},
        "modalities": compare_arms(values, held_out, params),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{size}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    return found


def plan_arms(params: Params, size: str) -> list[Arm]:
    """The arms, with steps such that each sees about as many tokens as ``as_is`` does."""
    settings: InstructParams = params.instruct.for_run(size)
    examples = load_examples(INSTRUCTIONS, "train")
    lengths = count_tokens(examples, Vocabulary.load(VOCABULARY), settings)
    kinds = [example.modality for example in examples]
    drawn = {name: draw_modalities(kinds, name, settings.temperature) for name in ARMS}
    means = {name: mean_tokens(kinds, lengths, of) for name, of in drawn.items()}
    arms = []
    for name in ARMS:
        steps = max(round(settings.steps * means[AS_IS] / means[name]), 1)
        tokens = round(steps * settings.effective_batch * means[name])
        changed = settings.model_copy(update={"sampling": name, "steps": steps})
        arms.append(Arm(name, changed, tokens, drawn[name]))
    return arms


def count_tokens(
    examples: Sequence[Example], vocabulary: Vocabulary, settings: InstructParams
) -> list[int]:
    """Tokens of each example that a batch holds: source and target, as the limits cut them."""
    limits = settings.max_source_tokens, settings.max_target_tokens
    measured = [measure_example(e, TASKS[INSTRUCT], vocabulary, *limits) for e in examples]
    return [m.source - m.source_lost + m.target - m.target_lost for m in measured]


def draw_modalities(kinds: Sequence[str], sampling: str, temperature: float) -> dict[str, int]:
    """Draws of an epoch by modality."""
    balance = choose_balance(kinds, sampling, temperature)
    if balance is None:
        return {name: kinds.count(name) for name in sorted(set(kinds))}
    return dict(zip(balance.names, balance.quotas, strict=True))


def mean_tokens(kinds: Sequence[str], lengths: Sequence[int], draws: dict[str, int]) -> float:
    """Tokens of an example as it is drawn: modalities by their draws, alike within one."""
    labels, tokens = np.array(kinds, dtype=object), np.array(lengths, np.float64)
    total = sum(num * float(tokens[labels == name].mean()) for name, num in draws.items())
    return total / sum(draws.values())


def _plan(params: Params, size: str, arm: Arm, seed: int, folder: Path) -> RunPlan:
    plan = plan_run(
        params, INSTRUCT, size, arm.settings, start_from=PRETRAINED / size,
        inputs=[INSTRUCTIONS], out=folder / size / arm.name / f"{SEED_FOLDER}{seed}",
    )  # fmt: skip
    checkpoints = f"{params.compute.checkpoints}/balance-{size}-{arm.name}-{SEED_FOLDER}{seed}"
    return replace(plan, seed=seed, checkpoints=checkpoints, track=[])


def _train_and_ask(plan: RunPlan, params: Params, held_out: Sequence[Example]) -> Values:
    """The metric's value of the reply to each held-out example."""
    out = Path(plan.out)
    if not _is_finished(plan):
        dispatch(instruct_worker, plan, workers=params.compute.workers)
    answerer = load_answerer(out, VOCABULARY, params)
    answers = answer_all(
        answerer, TASKS[INSTRUCT], held_out, [[] for _ in held_out],
        store=ImageStore([INSTRUCTIONS / IMAGES], answerer.image_px),
    )  # fmt: skip
    values = find_metric(METRIC).score(
        [answer.text for answer in answers],
        [example.references or [example.target] for example in held_out],
    )
    say(f"{out}: {METRIC} {values.mean():.1f} on {len(held_out)} held-out replies")
    return values


def _is_finished(plan: RunPlan) -> bool:
    """Whether its product is there, made with these settings from these contents."""
    out = Path(plan.out)
    if not (out / MANIFEST).is_file():
        return False
    manifest = read_manifest(out)
    settings = {**plan.settings, "seed": plan.seed, "precision": plan.precision}
    return bool(manifest["settings"] == settings and manifest["inputs"] == identify(plan)["inputs"])


def compare_arms(
    values: dict[str, Values], held_out: Sequence[Example], params: Params
) -> dict[str, Any]:
    """By modality, over all, and as the mean of modalities: each arm's value, and what it gains
    over ``as_is`` (paired), with intervals over conversations; ``seeds`` holds the gains of each.

    Values (seeds, examples) are averaged over seeds first.
    """
    kinds = np.array([example.modality or UNLABELLED for example in held_out])
    groups = np.array([e.group or e.image_id or e.id for e in held_out])
    members = {name: kinds == name for name in np.unique(kinds).tolist()}
    whole = np.ones(len(kinds), np.bool_)
    found = {}
    for name, chosen in {**members, EVERY: whole, MACRO: whole}.items():
        classes = kinds if name == MACRO else None
        found[name] = {
            "n": int(chosen.sum()),
            **{arm: _compare(of[:, chosen], values[AS_IS][:, chosen], groups[chosen],
                             classes, params)
               for arm, of in values.items()},
        }  # fmt: skip
    return found


def _compare(
    ours: Values, as_is: Values, groups: NDArray[Any], classes: NDArray[Any] | None, params: Params
) -> dict[str, Any]:
    def measure(values: Values, scale: Scale) -> Interval:
        return bootstrap_mean(
            values, groups.tolist(), classes=None if classes is None else classes.tolist(),
            resamples=params.evaluate.bootstrap, confidence=params.evaluate.confidence,
            seed=params.seed, scale=scale,
        )  # fmt: skip

    both_ways = gain_scale(PERCENT)
    gains = [measure(gap, both_ways).value for gap in ours - as_is]
    return {
        **_tell(measure(ours.mean(0), PERCENT)),
        "gain": _tell(measure((ours - as_is).mean(0), both_ways))
        | {"seeds": [round(g, 4) for g in gains]},
    }


def _tell(interval: Interval) -> dict[str, float | None]:
    numbers = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {key: None if n is None else round(n, 4) for key, n in numbers.items()}


def _describe(arm: Arm) -> dict[str, Any]:
    return {
        "steps": arm.settings.steps,
        "tokens": arm.tokens,
        "temperature": arm.settings.temperature if arm.name == "temperature" else None,
        "draws": {name or UNLABELLED: num for name, num in arm.draws.items()},
    }
