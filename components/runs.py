"""A training run from files to files: what a worker does, whichever stage asked for it.

The plan is plain JSON, so that it travels to any worker; the worker reads vocabulary, examples
and starting weights itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from components.adapters import (
    FOLDER,
    AdapterSettings,
    add_adapters,
    merge_adapters,
    save_adapters,
)
from components.checkpoint_places import open_checkpoints
from components.config import Params
from components.dataset.feeds import Limits
from components.dataset.left_out import FILE as LEFT_OUT
from components.dataset.left_out import LeftOut
from components.devices import pick_device
from components.errors import UserError
from components.lineage import MANIFEST, hash_code, hash_product, read_manifest, write_manifest
from components.model.config import SIZES, ModelConfig, model_config
from components.model.model import UnifiedModel
from components.model.weights import count_parameters, load_model, save_model
from components.parallel import share_batch
from components.progress import say, show_progress
from components.tokenization.vocabulary import Vocabulary
from components.training.checkpoints import Checkpoints
from components.training.distributed import rank_and_world
from components.training.launch import Group, launch
from components.training.loader import StepLoader
from components.training.loop import BatchSource, LoopResult, LoopSettings, train
from components.training.objective import Objective
from components.training.step import StepReport
from components.training_config import SEED_FOLDER, TrainingParams

LOG = "log.jsonl"
# Of a plan, what makes no difference to the weights that come out.
NO_DIFFERENCE = ("checkpoints", "keep_last", "keep_best", "identity", "parallel")
    "checkpoints",
    "keep_last",
    "keep_best",
    "identity",
    "parallel",
)  # to what a run makes


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
    if device == "auto" or not params.compute.workers:  # a cluster's workers may have another
        device = pick_device(device)
    name = "-".join(part for part in (stage, size, dataset) if part)
    return RunPlan(
        stage=stage,
        size=size,
        dataset=dataset,
        vocabulary="data/vocabulary",
        start_from=str(start_from or ""),
        inputs=[str(path) for path in inputs],
        left_out=str(LEFT_OUT),
        out=str(out),
        checkpoints=f"{params.compute.checkpoints}/{name}",
        keep_last=params.compute.keep_last,
        keep_best=params.compute.keep_best,
        settings=settings.model_dump(),
        code_px=params.tokenize_images.image_px,
        seed=params.seed,
        device=device,
        threads=params.compute.threads,
        precision=params.compute.precision,
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

    How the workers share the work, and who makes the batches, is no part of it: a run goes on
    with more or fewer of them. Workers get the answer with their plan: other modules are loaded
    there than where they are launched, so that another number of them would seem other code.
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


def start_model(plan: RunPlan, vocabulary: Vocabulary) -> UnifiedModel:
    """The starting weights with this run's dropout, or fresh ones drawn from the seed."""
    settings = plan.settings
    changes = {"dropout": settings["dropout"], "drop_path": settings["drop_path"]}
    if plan.start_from:
        model = load_model(Path(plan.start_from), **changes)
        check_start(model.config, plan, vocabulary)
        return model
    torch.manual_seed(plan.seed)
    config = model_config(
        plan.size, vocabulary_size=vocabulary.size, code_image_size=plan.code_px, **changes
    )
    return UnifiedModel(config)


def check_start(config: ModelConfig, plan: RunPlan, vocabulary: Vocabulary) -> None:
    """UserError where a checkpoint is of another size than its name will say, or reads ids or
    image codes otherwise than this project writes them."""
    row = {key: value for key, value in SIZES[plan.size].items() if key != "init_std"}
    others = [f"{key} {getattr(config, key)}" for key in row if getattr(config, key) != row[key]]
    if others:
        raise UserError(
            f"{plan.start_from} is no model of size {plan.size}: it has {', '.join(others)}",
            why=f"{plan.size} has " + ", ".join(f"{key} {value}" for key, value in row.items()),
            next_command="name the checkpoint's own size under sizes in params.yaml, and no other",
        )
    _check_vocabulary(plan)
    if config.vocabulary_size != vocabulary.size:
        raise UserError(
            f"{plan.start_from} has {config.vocabulary_size:,} tokens, "
            f"{plan.vocabulary} has {vocabulary.size:,}",
            why="an id must mean the same to the model and to the vocabulary",
            next_command="set build_vocabulary in params.yaml to what the checkpoint was trained "
            "with (released ones: text files, 8192 codes, 1000 bins), or empty start_from",
        )
    if config.code_image_size != plan.code_px:
        raise UserError(
            f"{plan.start_from} has image codes of {config.code_image_size} px, "
            f"tokenize_images makes them of {plan.code_px} px",
            why="the model must know in which row and column a code stands",
            next_command=f"set tokenize_images.image_px to {config.code_image_size} in params.yaml",
        )


def _check_vocabulary(plan: RunPlan) -> None:
    """UserError where what was trained here was trained with another vocabulary."""
    start, vocabulary = Path(plan.start_from), Path(plan.vocabulary)
    if not (start / MANIFEST).is_file():
        return  # an imported checkpoint: of its vocabulary the number of tokens is all it tells
    if hash_product(vocabulary) not in read_manifest(start)["inputs"].values():
        raise UserError(
            f"{plan.start_from} was trained with another vocabulary than {plan.vocabulary}",
            why="the same ids would stand for other texts",
            next_command="give it the vocabulary that it was trained with, or empty start_from",
        )


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
        freeze_embeddings=values["freeze_embeddings"],
        freeze_trunk=values["freeze_trunk"] or values["lora_rank"] > 0,
        shard=plan.parallel["strategy"] == "fsdp" and rank_and_world()[1] > 1,
        recompute=plan.parallel["activation_checkpointing"],
    )


def adapter_settings(plan: RunPlan) -> AdapterSettings | None:
    """What the plan says of LoRA, or None where the weights themselves are trained."""
    rank, alpha, dropout = (plan.settings[f"lora_{name}"] for name in ("rank", "alpha", "dropout"))
    return AdapterSettings(rank, alpha, dropout) if rank else None


def find_checkpoints(plan: RunPlan) -> Checkpoints:
    """The checkpoints of a run, where its plan says; the first rank tells of them."""
    return open_checkpoints(
        plan.checkpoints,
        identify(plan),
        keep_last=plan.keep_last,
        keep_best=plan.keep_best,
        tell=say if rank_and_world()[0] == 0 else lambda _: None,
    )


def run_training(
    plan: RunPlan, model: UnifiedModel, source: BatchSource, identity: dict[str, Any]
) -> LoopResult:
    """Train, and write weights and log from rank 0. Weights are complete when this returns."""
    torch.set_num_threads(plan.threads)
    total, lora = plan.settings["steps"], adapter_settings(plan)
    if lora is not None:
        num = add_adapters(model, lora, plan.seed)
        say(f"{num:,} parameters in adapters of rank {lora.rank}; the model itself is frozen")
    loader = StepLoader(source, total, workers=plan.parallel["loader_workers"], device=plan.device)
    label = " ".join(part for part in (plan.stage, plan.size, plan.dataset) if part)
    plan = replace(plan, identity=identity)
    with find_checkpoints(plan) as checkpoints, show_progress(label, total) as advance:

        def on_step(step: int, report: StepReport) -> None:
            advance(step, f"loss {sum(report.losses):.3f}")

        result = train(
            model.to(plan.device),
            loader,
            loop_settings(plan),
            checkpoints=checkpoints,
            on_step=on_step,
        )
    if rank_and_world()[0] == 0:
        out = Path(plan.out)
        if lora is not None:
            save_adapters(merge_adapters(model), lora, out / FOLDER, plan.start_from)
        save_model(model.to("cpu"), out)
        lines = [json.dumps(entry, sort_keys=True) for entry in result.log]
        (out / LOG).write_text("\n".join(lines) + "\n")
    return result


def dispatch(
    worker: Callable[[dict[str, Any]], None],
    plan: RunPlan,
    workers: int,
    notes: dict[str, Any] | None = None,
) -> None:
    """Launch the run on Ray Train and, when every worker is done, finish the product.

    UserError where the effective batch leaves workers without work.
    The manifest, which takes the ``notes``, is written here, last, and the run's checkpoints are
    dropped: a finished model is never resumed.
    """
    out, parallel = Path(plan.out), plan.parallel
    plan = replace(plan, identity=identify(plan))
    sizes = plan.settings["effective_batch"], plan.settings["micro_batch"]
    shares = share_batch(plan.stage, *sizes, workers)
    if workers > 1:
        say(shares)
    launch(
        worker,
        asdict(plan),
        group=Group(workers, parallel["min_workers"], parallel["max_failures"]),
        device=plan.device,
        storage="data/checkpoints/ray",
        name=out.as_posix().replace("/", "-"),
    )
    write_manifest(
        out,
        stage=plan.stage,
        identity={"size": plan.size, **({"dataset": plan.dataset} if plan.dataset else {})},
        settings={**plan.settings, "seed": plan.seed, "precision": plan.precision},
        inputs=[Path(path) for path in plan.identity["inputs"]],
        counts={"in": plan.settings["steps"], "out": plan.settings["steps"]},
        notes={
            "parameters": count_parameters(out),
            "left_out": LeftOut(Path(plan.left_out)).count(plan.inputs),
            **(notes or {}),
        },
    )
    find_checkpoints(plan).drop()
