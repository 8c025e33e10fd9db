"""How the workers share one size's training: settings, and what each does in a step."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from components.errors import UserError
from components.schema import Section


class ParallelOverrides(Section):
    """What is done otherwise for one size."""

    strategy: Literal["ddp", "fsdp"] | None = None
    activation_checkpointing: bool | None = None


class ParallelParams(Section):
    """The part of ``compute`` that changes how sums are grouped and who does what, and no more.

    So DVC follows ``workers`` alone, and a run that was cut off goes on with other numbers.
    ``overrides`` says what is done otherwise for a named size.
    """

    workers: int = Field(ge=0, description="0: in the stage's own process, without Ray")
    min_workers: int = Field(ge=0, description="go on with so few; 0: with all or not at all")
    loader_workers: int = Field(
        ge=0, description="processes of each worker that make batches; 0: its loop makes them"
    )
    max_failures: int = Field(ge=0, description="deaths of workers or nodes that a run survives")
    strategy: Literal["ddp", "fsdp"] = Field(
        description="ddp: whole weights at each worker; fsdp: the layers' matrices in parts"
    )
    activation_checkpointing: bool = Field(
        description="run each layer again in the backward pass, instead of keeping what it made"
    )
    overrides: dict[str, ParallelOverrides] = Field(description="by size")

    def for_run(self, size: str) -> dict[str, Any]:
        """These settings for one size, as plain values."""
        names = ParallelParams.model_fields.keys() - {"workers", "overrides"}
        changes = self.overrides.get(size, ParallelOverrides()).model_dump(exclude_none=True)
        return {**self.model_dump(include=set(names)), **changes}

    @model_validator(mode="after")
    def _check_workers(self) -> ParallelParams:
        if self.min_workers > self.workers:
            raise ValueError(f"min_workers {self.min_workers} is above workers {self.workers}")
        return self


def share_batch(stage: str, batch: int, micro: int, workers: int) -> str:
    """What each worker does in a step, in words; UserError where some would have nothing to do.

    An effective batch is cut into micro-batches, and worker r takes every ``workers``-th of them.
    """
    num = -(-batch // micro)
    if num < workers:
        raise UserError(
            f"{stage}: an effective batch of {batch} gives work to {num} of {workers} workers",
            why=f"each takes up to micro_batch = {micro} examples at a time",
            next_command=f"in params.yaml, set micro_batch of {stage} to at most "
            f"{max(batch // workers, 1)}, its effective_batch to {workers * micro} or more, or "
            f"compute.workers to {num}",
        )
    each, rest = divmod(num, max(workers, 1))
    uneven = f", and one more by {rest} of them, for whom the others wait" if rest else ""
    return f"a step: {num} micro-batches of up to {micro}, {each} by each of {workers}{uneven}"
