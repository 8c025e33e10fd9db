"""A training run from files to files: what a worker does, whichever stage asked for it.

The plan is plain JSON, so that it travels to any worker; the worker reads vocabulary, examples
and starting weights itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from components.adapters import (
    FOLDER,
    add_adapters,
    merge_adapters,
    save_adapters,
)
from components.checkpoint_places import open_checkpoints
from components.dataset.left_out import LeftOut
from components.errors import UserError
from components.lineage import (
    MANIFEST,
    check_files,
    hash_product,
    read_manifest,
    write_manifest,
)
from components.model.config import SIZES, ModelConfig, model_config
from components.model.flops import Trained
from components.model.model import UnifiedModel
from components.model.weights import count_parameters, load_model, save_model
from components.parallel import share_batch
from components.progress import say
from components.run_plan import RunPlan, adapter_settings, identify, loop_settings
from components.tokenization.vocabulary import Vocabulary
from components.tracking import CURVES, write_curves
from components.training.checkpoints import Checkpoints
from components.training.distributed import rank_and_world
from components.training.estimate import flops_of_step
from components.training.guard import Guard
from components.training.launch import Group, launch
from components.training.loader import StepLoader
from components.training.loop import BatchSource, LoopResult, LoopSettings, train
from components.training.step import Parts
from components.training.validation import HeldOut
from components.watching import watch

LOG, VALIDATION = "log.jsonl", "validation.json"


class Feed(BatchSource, Protocol):
    """A source that knows its material: the share of each part's samples that have an image."""

    image_shares: dict[str, float]


def start_model(plan: RunPlan, vocabulary: Vocabulary) -> UnifiedModel:
    """The starting weights with this run's dropout, or fresh ones drawn from the seed."""
    settings = plan.settings
    changes = {"dropout": settings["dropout"], "drop_path": settings["drop_path"]}
    if plan.start_from:
        start = Path(plan.start_from)
        if (start / MANIFEST).is_file():
            check_files(start / MANIFEST, read_manifest(start)["files"])
        model = load_model(start, **changes)
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


def find_checkpoints(plan: RunPlan) -> Checkpoints:
    """The checkpoints of a run, where its plan says; the first rank tells of them."""
    return open_checkpoints(
        plan.checkpoints,
        identify(plan),
        keep_last=plan.keep_last,
        keep_best=plan.keep_best,
        tell=say if rank_and_world()[0] == 0 else lambda _: None,
    )


def count_operations(
    plan: RunPlan, config: ModelConfig, settings: LoopSettings
) -> Callable[[Parts], float]:
    """A function that gives the floating-point operations of a step's parts."""
    trained = Trained(
        trunk=not settings.freeze_trunk,
        token_matrix=not settings.freeze_embeddings,
        lora_rank=plan.settings["lora_rank"],
    )
    px = plan.settings["image_px"]
    return lambda parts: flops_of_step(config, parts, settings.objective, trained, image_px=px)


def run_training(
    plan: RunPlan,
    model: UnifiedModel,
    source: Feed,
    identity: dict[str, Any],
    *,
    counts: Mapping[str, int],
    held_out: HeldOut | None = None,
) -> LoopResult:
    """Train, and write weights and log from rank 0. Weights are complete when this returns."""
    torch.set_num_threads(plan.threads)
    settings, lora = loop_settings(plan), adapter_settings(plan)
    if lora is not None:
        num = add_adapters(model, lora, plan.seed)
        say(f"{num:,} parameters in adapters of rank {lora.rank}; the model itself is frozen")
    plan = replace(plan, identity=identity)
    loader = StepLoader(
        source, settings.steps, workers=plan.parallel["loader_workers"], device=plan.device
    )
    with (
        find_checkpoints(plan) as checkpoints,
        watch(
            loader,
            settings,
            label=" ".join(part for part in (plan.stage, plan.size, plan.dataset) if part),
            run=Path(plan.checkpoints).name,
            device=plan.device,
            trackers=plan.track if rank_and_world()[0] == 0 else [],
            counts=counts,
            step_flops=count_operations(plan, model.config, settings),
        ) as (meter, on_step),
    ):
        result = train(
            model.to(plan.device),
            meter,
            settings,
            checkpoints=checkpoints,
            on_step=on_step,
            guard=Guard(source.image_shares),
            held_out=held_out,
        )
    if rank_and_world()[0] == 0:
        out = Path(plan.out)
        if lora is not None:
            save_adapters(merge_adapters(model), lora, out / FOLDER, plan.start_from)
        save_model(model.to("cpu"), out)
        lines = [json.dumps(entry, sort_keys=True, allow_nan=False) for entry in result.log]
        (out / LOG).write_text("\n".join(lines) + "\n")
        write_curves(result.log, out / CURVES)
        if result.validations:
            found = {"kept_step": result.kept_step, "validations": result.validations}
            (out / VALIDATION).write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
            say(f"the weights of step {result.kept_step} are kept: {tell_validations(found)}")
    return result


def read_validation(out: Path) -> dict[str, Any]:
    """What a run noted of its held-out examples, for the manifest; nothing where it had none."""
    path = out / VALIDATION
    return {"validation": json.loads(path.read_text())} if path.is_file() else {}


def tell_validations(found: Mapping[str, Any]) -> str:
    """Nats a token of the held-out examples: of the weights that are kept, and the last."""
    looks = {look["step"]: look["nll"] for look in found["validations"]}
    nll = {step: "no number of" if nats is None else f"{nats:.4f}" for step, nats in looks.items()}
    return f"{nll[found['kept_step']]} nats a held-out token, {nll[max(nll)]} after the last"


def dispatch(
    worker: Callable[[dict[str, Any]], None],
    *plans: RunPlan,
    workers: int,
    notes: dict[str, Any] | None = None,
) -> None:
    """Launch runs on Ray Train, one after another, and finish the product of each.

    UserError where the effective batch leaves workers without work.
    Checkpoints are dropped when all runs are done: a finished model is never resumed, but where a
    later one was cut off, the last checkpoint of each that was done spares training it again.
    """
    plans = tuple(replace(plan, identity=identify(plan)) for plan in plans)
    for plan in plans:  # of an earlier run, more seeds may lie there
        shutil.rmtree(plan.out, ignore_errors=True)
    for plan in plans:
        _dispatch_one(worker, plan, workers, notes or {})
    for plan in plans:
        find_checkpoints(plan).drop()


def _dispatch_one(
    worker: Callable[[dict[str, Any]], None], plan: RunPlan, workers: int, notes: dict[str, Any]
) -> None:
    """Launch a run and, when every worker is done, write the manifest; it takes the ``notes``."""
    out, parallel = Path(plan.out), plan.parallel
    sizes = plan.settings["effective_batch"], plan.settings["micro_batch"]
    shares = share_batch(plan.stage, *sizes, workers)
    if workers > 1:
        say(shares)
    launch(
        worker,
        asdict(plan),
        group=Group(workers, parallel["min_workers"], parallel["max_failures"]),
        device=plan.device,
        storage=f"{plan.checkpoints.rpartition('/')[0]}/ray",
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
            **read_validation(out),
            **notes,
        },
    )
