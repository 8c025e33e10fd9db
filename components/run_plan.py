"""What a training run is: plain JSON, so that it travels to any worker, and what is read off it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from components.adapters import AdapterSettings
from components.config import Params
from components.dataset.feeds import Limits
from components.dataset.left_out import FILE as LEFT_OUT
from components.devices import pick_device
from components.lineage import hash_code, hash_product
from components.training.distributed import rank_and_world
from components.training.loop import LoopSettings
from components.training.objective import Objective
from components.training_config import SEED_FOLDER, TrainingParams

# Of a plan, what makes no difference to the weights that come out.
NO_DIFFERENCE = ("checkpoints", "keep_last", "keep_best", "identity", "parallel", "track")


@dataclass(frozen=True)
class RunPlan:
    """One training run. Paths are text and ``settings`` a dump of the stage's section."""

    stage: str
    size: str
    dataset: str
    vocabulary: str
    start_from: str
    inputs: list[str]
    left_out: str
    out: str
    checkpoints: str
    keep_last: int
    keep_best: int
    settings: dict[str, Any]
    code_px: int
    seed: int
    device: str
    threads: int
    precision: str
    track: list[str]
    parallel: dict[str, Any]
    identity: dict[str, Any] = field(default_factory=dict)


def plan_run(
    params: Params,
    stage: str,
    size: str,
    settings: TrainingParams,
    *,
    start_from: Path | None,
    inputs: list[Path],
    out: Path,
    dataset: str = "",
) -> RunPlan:
    """Fill a plan from params.yaml; ``device: auto`` is settled here."""
    device: str = params.compute.device
    place = params.compute.checkpoints
    if device == "auto" or not params.compute.workers:  # a cluster's workers may have another
        device = pick_device(device)
    name = "-".join(part for part in (stage, size, dataset) if part)
    keeps_best = getattr(settings, "keep", "last") == "best"  # then one must be there at the end
    return RunPlan(
        stage=stage,
        size=size,
        dataset=dataset,
        vocabulary="data/vocabulary",
        start_from=str(start_from or ""),
        inputs=[str(path) for path in inputs],
        left_out=str(LEFT_OUT),
        out=str(out),
        checkpoints=f"{place.rstrip('/')}/{name}",
        keep_last=params.compute.keep_last,
        keep_best=max(params.compute.keep_best, keeps_best),
        settings=settings.model_dump(),
        code_px=params.tokenize_images.image_px,
        seed=params.seed,
        device=device,
        threads=params.compute.threads,
        precision=params.compute.precision,
        track=list(params.compute.track),
        parallel=params.compute.for_run(size),
    )


def repeat_run(plan: RunPlan, num_seeds: int) -> list[RunPlan]:
    """The same run from the seeds that follow, each in a folder of the first one's product."""
    return [
        replace(
            plan,
            seed=plan.seed + number,
            out=f"{plan.out}/{SEED_FOLDER}{plan.seed + number}",
            checkpoints=f"{plan.checkpoints}-{SEED_FOLDER}{plan.seed + number}",
        )
        for number in range(1, num_seeds)
    ]


def identify(plan: RunPlan) -> dict[str, Any]:
    """What makes two runs the same run: plan, input contents, code. A resume needs all equal.

    Who watches a run, how the workers share the work, and who makes the batches, is no part of it:
    a run goes on with more or fewer of them. Workers get the answer with their plan: other modules
    are loaded there than where they are launched, so that another number would seem other code.
    """
    if plan.identity:
        return plan.identity
    named = [plan.vocabulary, plan.start_from, plan.left_out, *plan.inputs]
    paths = [Path(path) for path in named if path]
    return {
        "plan": {key: v for key, v in asdict(plan).items() if key not in NO_DIFFERENCE},
        "inputs": {str(path): hash_product(path) for path in paths},
        "code_sha256": hash_code(),
    }


def run_limits(plan: RunPlan) -> Limits:
    """The limits of a run's batches, and this process's share of them."""
    values = plan.settings
    rank, world = rank_and_world()
    return Limits(
        effective_batch=values["effective_batch"],
        micro_batch=values["micro_batch"],
        max_source_tokens=values["max_source_tokens"],
        max_target_tokens=values["max_target_tokens"],
        seed=plan.seed,
        long_text=values["long_text"],
        rank=rank,
        world=world,
    )


def loop_settings(plan: RunPlan) -> LoopSettings:
    """The loop's numbers out of a plan."""
    values = plan.settings
    return LoopSettings(
        steps=values["steps"],
        learning_rate=values["learning_rate"],
        warmup=values["warmup"],
        weight_decay=values["weight_decay"],
        clip_norm=values["clip_norm"],
        ema_decay=values["ema_decay"],
        seed=plan.seed,
        log_every=values["log_every"],
        save_every=values["save_every"],
        objective=Objective(
            label_smoothing=values["label_smoothing"],
            drop_worst=values["drop_worst"],
            drop_worst_after=values["drop_worst_after"],
            rdrop=values["rdrop"],
            sampled_patches=values.get("sampled_patches", 0),
        ),
        autocast=torch.bfloat16 if plan.precision == "bfloat16" else None,
        validate_every=values.get("validate_every", 0),  # pretraining holds nothing out
        keep_best=values.get("keep") == "best",
        save_last=values.get("seeds", 1) > 1,  # what is done waits for the other seeds
        freeze_embeddings=values["freeze_embeddings"],
        freeze_trunk=values["freeze_trunk"] or values["lora_rank"] > 0,
        shard=plan.parallel["strategy"] == "fsdp" and rank_and_world()[1] > 1,
        recompute=plan.parallel["activation_checkpointing"],
    )


def adapter_settings(plan: RunPlan) -> AdapterSettings | None:
    """What the plan says of LoRA, or None where the weights themselves are trained."""
    rank, alpha, dropout = (plan.settings[f"lora_{name}"] for name in ("rank", "alpha", "dropout"))
    return AdapterSettings(rank, alpha, dropout) if rank else None
