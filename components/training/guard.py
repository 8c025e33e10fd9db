"""The rules that stop a run which cannot learn, instead of letting it compute for days.

Each is a UserError. A part without batches is legitimate (a mixture may lack a stream), so is a
single infinite gradient norm, and so are samples without image among others that have one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from components.errors import UserError
from components.training.objective import Batch, Objective, loss_size
from components.training.step import Parts, StepReport

PATIENCE = 3  # steps in a row that may be without a finite gradient norm, or of loss zero
IMAGES_AWAITED = 50  # expected images without a real one: by chance e^-50 at most
LEARNING_RATE = "lower learning_rate or clip_norm of this stage in params.yaml"


class Guard:
    """Looks at each step of a run. ``image_shares``: by part, the share of samples with images."""

    def __init__(self, image_shares: Mapping[str, float] | None = None) -> None:
        self.shares = {name: share for name, share in (image_shares or {}).items() if share > 0}
        self.looks = {name: _Look() for name in self.shares}
        self.num_zero = self.num_infinite = 0

    def check(
        self,
        step: int,
        names: Sequence[str],
        parts: Parts,
        report: StepReport,
        objective: Objective,
    ) -> None:
        """Raise UserError where a rule says that the run is lost."""
        _check_finite(step, report)
        self._check_norm(step, report)
        for name, part, loss in zip(names, parts, report.losses, strict=True):
            if part and loss == 0.0 and not sum(loss_size(b, objective, step) for b in part):
                raise _no_labels(step, name)
            if name in self.looks:
                self._look_for_images(name, part)
        self._check_zero(step, parts, report)

    def _check_norm(self, step: int, report: StepReport) -> None:
        self.num_infinite = self.num_infinite + 1 if math.isinf(report.gradient_norm) else 0
        if self.num_infinite >= PATIENCE:
            raise UserError(
                f"the gradient norm was infinite in {PATIENCE} steps up to step {step}",
                why=f"losses {report.losses}, learning rate {report.learning_rate:.2g}; an "
                "infinite norm clips every gradient to nothing",
                next_command=LEARNING_RATE,
            )

    def _check_zero(self, step: int, parts: Parts, report: StepReport) -> None:
        is_zero = any(parts) and sum(report.losses) == 0.0
        self.num_zero = self.num_zero + 1 if is_zero else 0
        if self.num_zero >= PATIENCE:
            raise UserError(
                f"the loss was exactly 0 in {PATIENCE} steps up to step {step}",
                why="there are labels, and each is certain: their sample weights are 0, or the "
                "allowed tokens leave no choice",
                next_command="look at the samples: biomedgpt check DATASET",
            )

    def _look_for_images(self, name: str, part: Sequence[Batch]) -> None:
        look = self.looks[name]
        for batch in part:
            look.take(batch)
        if look.has_seen_one:
            del self.looks[name]
        elif look.num_samples * self.shares[name] >= IMAGES_AWAITED:
            raise UserError(
                f"{name}: none of the first {look.num_samples} samples showed an image",
                why=f"{self.shares[name]:.0%} of this material has images; {look.num_blank} came "
                f"in one colour, {look.num_samples - look.num_blank} samples came without one",
                next_command="look at the samples: biomedgpt check DATASET; make the images "
                "again: dvc repro --force --single-item prepare@DATASET",
            )


class _Look:
    """What was seen of a part's images so far."""

    def __init__(self) -> None:
        self.num_samples = self.num_blank = 0
        self.has_seen_one = False

    def take(self, batch: Batch) -> None:
        self.num_samples += len(batch.source_BS)
        if batch.images_B3HW is None:  # another rank looks at the images of its own batches
            self.has_seen_one |= batch.image_mask_B is not None
            return
        flat = batch.images_B3HW.flatten(1)
        varies = flat.amax(1) > flat.amin(1)
        shown = torch.ones_like(varies) if batch.image_mask_B is None else batch.image_mask_B
        self.has_seen_one |= bool((varies & shown).any())
        self.num_blank += int((~varies & shown).sum())


def _check_finite(step: int, report: StepReport) -> None:
    """A loss or norm that is no number has spoilt the weights already; inf may yet pass."""
    if not all(math.isfinite(loss) for loss in report.losses):
        what = f"the loss of step {step} is {report.losses}"
    elif math.isnan(report.gradient_norm):
        what = f"the gradient norm of step {step} is nan"
    else:
        return
    raise UserError(
        what,
        why=f"learning rate {report.learning_rate:.2g}, gradient norm {report.gradient_norm:.3g}",
        next_command=LEARNING_RATE,
    )


def _no_labels(step: int, name: str) -> UserError:
    return UserError(
        f"{name}: no label of step {step} counts",
        why="all target positions are padding, masked, or left out by drop_worst (of a single one "
        "any share is all)",
        next_command="raise max_target_tokens of this stage in params.yaml, or look at the "
        "samples: biomedgpt check DATASET",
    )
