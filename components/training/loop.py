"""The loop: steps, log, checkpoints, average. Knows torch, and nothing of clusters or files."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from components.training.checkpoints import Checkpoints
from components.training.distributed import local, rank_and_world, share
from components.training.ema import Average
from components.training.guard import Guard
from components.training.objective import Objective
from components.training.optimizer import Adam
from components.training.schedule import polynomial_decay
from components.training.sharding import (
    Shards,
    gather_state,
    keep_activations,
    recompute_activations,
    spread_state,
)
from components.training.state import Checkpoint
from components.training.step import Parts, StepReport, train_step
from components.training.validation import HeldOut, validation_nll


class BatchSource(Protocol):
    """Gives the k-th effective batch; a pure function of k, so that resuming needs k only."""

    part_names: list[str]
    stream_names: list[str]  # kinds of samples whose loss is told apart; stream_B numbers them

    def parts(self, step: int) -> Parts:
        """The parts of the effective batch of a step (counted from 1)."""
        ...


@dataclass(frozen=True)
class LoopSettings:
    """Numbers of a run; the stage fills them from params.yaml and the card."""

    steps: int
    learning_rate: float
    warmup: float
    weight_decay: float
    clip_norm: float
    ema_decay: float
    seed: int
    log_every: int
    save_every: int
    objective: Objective = field(default_factory=Objective)
    autocast: torch.dtype | None = None
    freeze_embeddings: bool = False
    freeze_trunk: bool = False
    shard: bool = False
    recompute: bool = False
    validate_every: int = 0
    keep_best: bool = False
    save_last: bool = False

    def validates(self, step: int) -> bool:
        """Whether the held-out examples are looked at after a step: every so many, and the last."""
        often = self.validate_every
        return often > 0 and (step % often == 0 or step == self.steps)

    def saves(self, step: int) -> bool:
        """Whether a step gets a checkpoint: every so many, and the last where that is wanted."""
        return self.save_last if step == self.steps else step % self.save_every == 0

    def logs(self, step: int) -> bool:
        """Whether a step gets an entry in the log: every so many, the first and the last."""
        return step % self.log_every == 0 or step in (1, self.steps)


@dataclass
class LoopResult:
    """The log (one dict per logged step), where the run began, and whose weights it left.

    ``validations``: step and ``nll`` of each look at the held-out examples. A gradient norm or
    ``nll`` that is not finite is None.
    """

    log: list[dict[str, Any]]
    resumed_from: int
    validations: list[dict[str, Any]] = field(default_factory=list)
    kept_step: int = 0


class Run:
    """A model with its optimizer and average, and the log so far.

    Where ``settings.shard`` says so, all three are spread over the ranks until ``finish``.
    """

    def __init__(self, model: nn.Module, settings: LoopSettings):
        if settings.freeze_embeddings:
            model.encoder.embed_tokens.weight.requires_grad_(False)  # type: ignore[union-attr]
        if settings.freeze_trunk:
            model.encoder.embed_images.requires_grad_(False)  # type: ignore[union-attr]
        self.model, self.settings = model, settings
        self.shards = Shards(model, settings.autocast) if settings.shard else None
        if settings.recompute:
            recompute_activations(model)
        self.optimizer = Adam(model.named_parameters(), weight_decay=settings.weight_decay)
        self.average = Average(model, settings.ema_decay) if settings.ema_decay > 0 else None
        self.log: list[dict[str, Any]] = []
        self.validations: list[dict[str, Any]] = []

    def checkpoint(self, step: int) -> Checkpoint:
        """Everything that the run needs to go on after ``step``, at rank 0.

        Every rank must call it, since parts are gathered; the others get no whole state.
        """
        values = {
            "log": self.log,
            "validations": self.validations,
            "optimizer_steps": self.optimizer.num_steps,
        }
        return Checkpoint(step, gather_state(self._state()), values)

    def restore(self, found: Checkpoint | None) -> int:
        """Go back to what rank 0 found; returns the step, 0 where it found nothing.

        Every rank must call it. The number of ranks may be another than when it was saved.
        """
        head = None if found is None else {"step": found.step, "values": found.values}
        head = share(head, next(self.model.parameters()).device)
        if head is None:
            return 0
        spread_state(self._state(), None if found is None else found.tensors)
        self.optimizer.num_steps = head["values"]["optimizer_steps"]
        self.log = list(head["values"]["log"])
        self.validations = list(head["values"]["validations"])
        return int(head["step"])

    def validate(self, held_out: HeldOut, step: int) -> float:
        """Nats a token of the held-out examples, with the weights that the run would leave now."""
        average = self.average.shown(self.model) if self.average is not None else nullcontext()
        with average:
            nll = validation_nll(
                self.model,
                held_out(),
                autocast=self.settings.autocast,
                sharded=self.shards is not None,
            )
        self.validations.append({"step": step, "nll": _finite(nll)})
        return nll

    def go_back(self, best: Checkpoint | None) -> int:
        """Take the weights of rank 0's checkpoint, and nothing else of it; returns its step."""
        device = next(self.model.parameters()).device
        step = share(None if best is None else best.step, device)
        if step is None:
            return self.settings.steps
        state = {name: of for name, of in self._state().items() if name != "optimizer"}
        spread_state(state, None if best is None else best.tensors)
        return int(step)

    def finish(self) -> None:
        """Leave the model whole, with averaged weights, and its layers as they were."""
        if self.average is not None:
            self.average.copy_to(self.model)
        if self.shards is not None:
            self.shards.gather_model(self.model)
        if self.settings.recompute:
            keep_activations(self.model)
        self.model.eval()

    def _state(self) -> dict[str, dict[str, torch.Tensor]]:
        state = {"model": _untied(self.model), "optimizer": self.optimizer.state_tensors()}
        return state if self.average is None else {**state, "average": self.average.values}


def train(
    model: nn.Module,
    source: BatchSource,
    settings: LoopSettings,
    *,
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[int, StepReport], None] | None = None,
    guard: Guard | None = None,
    held_out: HeldOut | None = None,
) -> LoopResult:
    """Train ``model`` in place for ``settings.steps`` steps and leave it with averaged weights.

    With ``checkpoints`` the run resumes from the newest good one, and saves every ``save_every``
    steps; whoever opened them closes them. Raises UserError where ``guard`` finds that nothing can
    be learnt. ``held_out`` examples are looked at as ``validate_every`` says, and the checkpoint of
    such a step has their loss for its score: with ``keep_best`` the best one's weights are left.
    """
    guard = guard or Guard()
    run = Run(model, settings)
    rank = rank_and_world()[0]
    found = checkpoints.load() if checkpoints is not None and rank == 0 else None
    start = run.restore(found)
    model.train()
    if settings.freeze_trunk:
        model.encoder.embed_images.eval()  # type: ignore[union-attr]
    for step in range(start + 1, settings.steps + 1):
        report = _advance(run, source, step, guard)
        if on_step is not None:
            on_step(step, report)
        score = None
        if held_out is not None and settings.validates(step):
            score = run.validate(held_out, step)
        if checkpoints is not None and (settings.saves(step) or score is not None):
            reached = run.checkpoint(step)
            if rank == 0:
                checkpoints.save(reached, score)
    kept = settings.steps
    if checkpoints is not None and held_out is not None and settings.keep_best:
        kept = run.go_back(checkpoints.load(best=True) if rank == 0 else None)
    run.finish()
    return LoopResult(run.log, start, run.validations, kept)


def _advance(run: Run, source: BatchSource, step: int, guard: Guard) -> StepReport:
    settings, parts = run.settings, source.parts(step)
    rate = polynomial_decay(step, settings.steps, settings.learning_rate, settings.warmup)
    report = train_step(
        run.model,
        parts,
        run.optimizer,
        settings.objective,
        seed=settings.seed,
        step=step,
        learning_rate=rate,
        clip_norm=settings.clip_norm,
        autocast=settings.autocast,
        num_streams=len(source.stream_names),
        sharded=run.shards is not None,
    )
    guard.check(step, source.part_names, parts, report, settings.objective)
    if run.average is not None:
        run.average.update(run.model)
    if settings.logs(step):
        named = dict(zip(source.part_names, report.losses, strict=True))
        entry: dict[str, Any] = {"step": step, "loss": sum(report.losses), "learning_rate": rate}
        streams = dict(zip(source.stream_names, report.streams, strict=True))
        shown = {name: nll for name, nll in streams.items() if nll is not None}
        norm = _finite(report.gradient_norm)
        entry |= {"gradient_norm": norm, "parts": named, "streams": shown}
        run.log.append(entry)
    return report


def _finite(value: float) -> float | None:
    """The value, or None where it is infinite or no number: JSON, which logs are, has no such."""
    return value if math.isfinite(value) else None


def _untied(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict with each storage under its first name only."""
    seen: set[int] = set()
    kept = {}
    for name, value in model.state_dict().items():
        storage = local(value).data_ptr()
        if storage not in seen or not storage:  # an empty part has no place in memory
            seen.add(storage)
            kept[name] = value
    return kept
