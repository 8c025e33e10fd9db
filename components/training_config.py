"""The settings of the three training stages, which share most of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from components.schema import Section, validate

# Of every size (components/model/config.py): tokens, and cells along a side of the image's grid.
MAX_POSITIONS, MAX_CELLS = 1024, 42
SEED_FOLDER = "seed_"  # in a product: the same model tuned from another seed
CELL_PX, CODE_PX = 16, 8  # side of a cell, and of what one image code stands for


class TrainingParams(Section):
    """One training stage. ``overrides`` changes numbers for a named size."""

    steps: int = Field(ge=1, description="updates of the weights")
    effective_batch: int = Field(ge=1, description="samples of an update, of all workers together")
    micro_batch: int = Field(ge=1, description="samples at a time, on one worker")
    learning_rate: float = Field(gt=0, description="at its peak")
    warmup: float = Field(ge=0, le=1, description="share of the steps")
    weight_decay: float = Field(ge=0, description="of AdamW")
    clip_norm: float = Field(gt=0, description="of the gradient, at most")
    label_smoothing: float = Field(
        ge=0, lt=1, description="share of the target that goes to other tokens"
    )
    dropout: float = Field(ge=0, lt=1, description="share of activations")
    drop_path: float = Field(ge=0, lt=1, description="share of residual branches")
    ema_decay: float = Field(ge=0, lt=1, description="0 turns the average off")
    image_px: int = Field(ge=16, le=MAX_CELLS * CELL_PX, description="side of an image")
    max_source_tokens: int = Field(ge=16, le=MAX_POSITIONS, description="of the text that is read")
    max_target_tokens: int = Field(ge=2, le=MAX_POSITIONS, description="of the text that is learnt")
    log_every: int = Field(ge=1, description="steps between lines and points of curves")
    save_every: int = Field(ge=1, description="steps between checkpoints")
    long_text: Literal["cut", "refuse"] = Field(
        default="cut", description="over the limits: cut and counted, or an error"
    )
    group_by_length: bool = Field(
        default=False, description="draw together what has about one length: less padding"
    )
    augment: Literal["none", "rand"] = Field(
        default="none", description="of images: none, or RandAugment"
    )
    drop_worst: float = Field(default=0.0, ge=0, lt=1, description="share of tokens left out")
    drop_worst_after: int = Field(default=0, ge=0, description="steps before any is left out")
    rdrop: float = Field(default=0.0, ge=0, description="weight of two passes' agreement")
    freeze_embeddings: bool = Field(
        default=False, description="leave the tied matrix as it is: the output layer, too"
    )
    freeze_trunk: bool = Field(
        default=False, description="leave it as it is, its batch-norm statistics, too"
    )
    lora_rank: int = Field(default=0, ge=0, description="0 trains the weights themselves")
    lora_alpha: float = Field(default=16.0, gt=0, description="adapters count alpha / rank times")
    lora_dropout: float = Field(default=0.0, ge=0, lt=1, description="before the adapters")
    overrides: dict[str, dict[str, float | int | bool | str]] = Field(
        default_factory=dict, description="by size"
    )

    def for_run(self, size: str, recipe: dict[str, float | int | bool | str] | None = None) -> Any:
        """These settings for one size and one card's recipe: stage, then card, then size."""
        changes = {**(recipe or {}), **self.overrides.get(size, {})}
        values = {**self.model_dump(), **changes, "overrides": {}}
        return validate(type(self), values, f"settings of size {size}")


class MixtureParams(Section):
    """Shares of the pretraining streams, relative to each other."""

    vision_language: int = Field(ge=1, description="the others are counted from it")
    text: int = Field(ge=0, description="of texts")
    image: int = Field(ge=0, description="of images alone")
    detection: int = Field(ge=0, description="of boxes")


class PretrainParams(TrainingParams):
    """Pretraining: the mixture of streams, and where it starts from."""

    start_from: str = Field(
        description="a folder with a checkpoint, or empty: from scratch. DVC follows the name "
        "alone: give a folder whose content changed another name"
    )
    mixture: MixtureParams
    sampled_patches: int = Field(ge=0, description="0 keeps all")
    mask_ratio: float = Field(gt=0, lt=1, description="share of words that are hidden")


class TuningParams(TrainingParams):
    """Tuning of a pretrained model, on examples of which some are held out.

    ``keep: best`` leaves the weights with the lowest loss on them; it is looked at every
    ``validate_every`` steps and after the last.
    """

    max_lost_labels: float = Field(default=0.05, ge=0, le=1, description="share of target tokens")
    validate_every: int = Field(default=0, ge=0, description="steps; 0: never")
    keep: Literal["last", "best"] = Field(
        default="last", description="the last weights, or those of the lowest validation loss"
    )

    @model_validator(mode="after")
    def _check_validation(self) -> TuningParams:
        if self.keep == "best" and not self.validate_every:
            raise ValueError("keep: best needs validate_every, which is 0")
        return self


class FinetuneParams(TuningParams):
    """Fine-tuning on one data set, starting from the pretrained model of the same size."""

    seeds: int = Field(default=1, ge=1, description="models, from seeds that follow each other")
    constrain_answers: bool = Field(
        default=False, description="nothing outside the answer set can be learnt"
    )
    target_noise: float = Field(
        default=0.0, ge=0, lt=1, description="share of wrong tokens before those to be said"
    )
    sampling: Literal["as_is", "balanced", "temperature"] = Field(
        default="as_is", description="over answers"
    )
    temperature: float = Field(default=2.0, ge=1, description="1 is as_is, a large one balanced")
    jitter: bool = Field(default=False, description="mirror, enlarge and crop images at random")


class InstructParams(TuningParams):
    """Instruction tuning, starting from the pretrained model of the same size."""

    sampling: Literal["as_is", "balanced", "temperature"] = Field(
        default="as_is", description="over modalities"
    )
    temperature: float = Field(default=2.0, ge=1, description="1 is as_is, a large one balanced")
