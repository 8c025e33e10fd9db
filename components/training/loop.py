"""The loop: steps, log, checkpoints, average. Knows torch, and nothing of clusters or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from components.training.ema import Average
from components.training.guard import Guard
from components.training.objective import Objective
from components.training.optimizer import Adam
from components.training.schedule import polynomial_decay
from components.training.state import Checkpoint, load_checkpoint, save_checkpoint
from components.training.step import Parts, StepReport, train_step


class BatchSource(Protocol):
    """Gives the k-th effective batch; a pure function of k, so that resuming needs k only."""

    part_names: list[str]

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

    def logs(self, step: int) -> bool:
        """Whether a step gets an entry in the log: every so many, the first and the last."""
        return step % self.log_every == 0 or step in (1, self.steps)


@dataclass
class LoopResult:
    """The log (one dict per logged step) and where the run began."""

    log: list[dict[str, Any]]
    resumed_from: int
    passed_over: list[str]


class Run:
    """A model with its optimizer and average, and the log so far."""

    def __init__(self, model: nn.Module, settings: LoopSettings, identity: Mapping[str, Any]):
        if settings.freeze_embeddings:
            model.encoder.embed_tokens.weight.requires_grad_(False)  # type: ignore[union-attr]
        if settings.freeze_trunk:
            model.encoder.embed_images.requires_grad_(False)  # type: ignore[union-attr]
        self.model, self.settings, self.identity = model, settings, dict(identity)
        self.optimizer = Adam(model.named_parameters(), weight_decay=settings.weight_decay)
        self.average = Average(model, settings.ema_decay) if settings.ema_decay > 0 else None
        self.log: list[dict[str, Any]] = []

    def checkpoint(self, step: int) -> Checkpoint:
        """Everything that the run needs to go on after ``step``."""
        tensors = {
            "model": _untied(self.model),
            "optimizer": self.optimizer.state_tensors(),
        }
        if self.average is not None:
            tensors["average"] = self.average.values
        values = {**self.identity, "log": self.log, "optimizer_steps": self.optimizer.num_steps}
        return Checkpoint(step, tensors, values)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the state that a checkpoint holds."""
        with torch.no_grad():
            for name, value in _untied(self.model).items():
                value.copy_(checkpoint.tensors["model"][name])
        self.optimizer.load_state(
            checkpoint.tensors["optimizer"], checkpoint.values["optimizer_steps"]
        )
        if self.average is not None:
            self.average.load_state(checkpoint.tensors["average"])
        self.log = list(checkpoint.values["log"])


def train(
    model: nn.Module,
    source: BatchSource,
    settings: LoopSettings,
    *,
    checkpoints: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    on_step: Callable[[int, StepReport], None] | None = None,
    guard: Guard | None = None,
) -> LoopResult:
    """Train ``model`` in place for ``settings.steps`` steps and leave it with averaged weights.

    With a ``checkpoints`` folder the run resumes from the newest good checkpoint of the same
    ``identity``. Raises UserError where ``guard`` finds that nothing can be learnt.
    """
    guard = guard or Guard()
    run = Run(model, settings, identity or {})
    start = 0
    passed_over: list[str] = []
    if checkpoints is not None:
        found, passed_over = load_checkpoint(checkpoints, run.identity)
        if found is not None:
            run.restore(found)
            start = found.step
    model.train()
    if settings.freeze_trunk:
        model.encoder.embed_images.eval()  # type: ignore[union-attr]
    for step in range(start + 1, settings.steps + 1):
        report = _advance(run, source, step, guard)
        if on_step is not None:
            on_step(step, report)
        if checkpoints is not None and step % settings.save_every == 0 and step < settings.steps:
            save_checkpoint(checkpoints, run.checkpoint(step))
    if run.average is not None:
        run.average.copy_to(model)
    model.eval()
    return LoopResult(run.log, start, passed_over)


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
    )
    guard.check(step, source.part_names, parts, report, settings.objective)
    if run.average is not None:
        run.average.update(run.model)
    if settings.logs(step):
        named = dict(zip(source.part_names, report.losses, strict=True))
        entry = {"step": step, "loss": sum(report.losses), "learning_rate": rate}
        run.log.append({**entry, "gradient_norm": report.gradient_norm, "parts": named})
    return report


def _untied(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict with each storage under its first name only."""
    seen: set[int] = set()
    kept = {}
    for name, value in model.state_dict().items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            kept[name] = value
    return kept
