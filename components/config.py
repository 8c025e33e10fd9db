"""params.yaml, typed at the door: one section per stage, strict, frozen, unknown keys refused."""

from __future__ import annotations

import difflib
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.errors import UserError

M = TypeVar("M", bound=BaseModel)
STAGE_SOURCES = ("pubmed", "pmc_oa", "biomed_vital")
PARAMS_FILE = Path("params.yaml")


class Section(BaseModel):
    """Base of every section: strict types, no unknown keys, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ComputeParams(Section):
    """Where the training loop runs. ``workers: 0`` runs it in the stage's own process."""

    device: Literal["auto", "cpu", "cuda"]
    workers: int = Field(ge=0)
    threads: int = Field(ge=1, description="torch threads of one stage process")
    parallel_stages: int = Field(ge=1, description="stages that the flow runs side by side")
    precision: Literal["float32", "bfloat16"]


class AcquireParams(Section):
    """How raw data arrives: made (sample), taken from a folder (local), or fetched (download)."""

    mode: Literal["sample", "local", "download"]
    root: str = Field(description="folder with the user's raw files, for mode local")
    state: str = Field(description="what root held when this file was written; renewed by `use`")
    sample_images: int = Field(ge=1, description="images per vision data set of the sample world")
    sample_texts: int = Field(ge=1, description="records per text data set of the sample world")
    sample_image_px: int = Field(ge=28)


class IngestPubmedParams(Section):
    """Which citations and articles become text."""

    languages: list[str]
    keep_retracted: bool
    min_text_chars: int = Field(ge=0)
    max_image_pixels: int = Field(ge=1)
    max_quarantined: float = Field(ge=0, le=1)


class BuildVocabularyParams(Section):
    """The one id space: specials, BPE, mask, image codes, location bins."""

    text: Literal["train", "files"]
    num_merges: int = Field(ge=0)
    num_codes: int = Field(ge=1)
    num_bins: int = Field(ge=2)


class PrepareParams(Section):
    """From raw rows to examples."""

    max_train: int = Field(ge=1)
    max_validation: int = Field(ge=1)
    max_test: int = Field(ge=1)
    derived_validation: float = Field(gt=0, lt=1, description="share, where no official split is")
    derived_test: float = Field(gt=0, lt=1)
    max_image_pixels: int = Field(ge=1)
    max_quarantined: float = Field(ge=0, le=1)


class FitImageTokenizerParams(Section):
    """The VQ-GAN's width, and how it is fitted."""

    channels: int = Field(ge=4, multiple_of=4)
    latent: int = Field(ge=1)
    image_px: int = Field(ge=8, multiple_of=8)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    max_images: int = Field(ge=1)


class TokenizeImagesParams(Section):
    """Which part of an image becomes codes, and how they are picked."""

    image_px: int = Field(ge=8, multiple_of=8)
    crop: Literal["centre", "whole"]
    codes: Literal["argmax", "gumbel"]
    batch: int = Field(ge=1)


class PrepareBiomedVitalParams(Section):
    """How conversations become examples."""

    history_turns: int = Field(ge=0)
    validation_share: float = Field(gt=0, lt=1)
    max_quarantined: float = Field(ge=0, le=1)


class AuditParams(Section):
    """What counts as an overlap between training and test material."""

    ngram_words: int = Field(ge=2)
    image_hash_bits: int = Field(ge=0, description="perceptual hashes this close are alike")


class TrainingParams(Section):
    """One training stage. ``overrides`` changes numbers for a named size."""

    steps: int = Field(ge=1)
    effective_batch: int = Field(ge=1)
    micro_batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup: float = Field(ge=0, le=1, description="share of the steps")
    weight_decay: float = Field(ge=0)
    clip_norm: float = Field(gt=0)
    label_smoothing: float = Field(ge=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    drop_path: float = Field(ge=0, lt=1)
    ema_decay: float = Field(ge=0, lt=1, description="0 turns the average off")
    image_px: int = Field(ge=16)
    max_source_tokens: int = Field(ge=16)
    max_target_tokens: int = Field(ge=2)
    log_every: int = Field(ge=1)
    save_every: int = Field(ge=1)
    freeze_embeddings: bool = False
    overrides: dict[str, dict[str, float | int | bool]] = Field(default_factory=dict)

    def for_run(self, size: str, recipe: dict[str, float | int | bool] | None = None) -> Any:
        """These settings for one size and one card's recipe: stage, then card, then size."""
        changes = {**(recipe or {}), **self.overrides.get(size, {})}
        values = {**self.model_dump(), **changes, "overrides": {}}
        return validate(type(self), values, f"settings of size {size}")


class MixtureParams(Section):
    """Shares of the pretraining streams, relative to each other."""

    vision_language: int = Field(ge=1, description="the others are counted from it")
    text: int = Field(ge=0)
    image: int = Field(ge=0)
    detection: int = Field(ge=0)


class PretrainParams(TrainingParams):
    """Pretraining: the mixture of streams, and where it starts from."""

    start_from: str = Field(description="a folder with a checkpoint, or empty: from scratch")
    mixture: MixtureParams
    sampled_patches: int = Field(ge=0, description="0 keeps all")
    mask_ratio: float = Field(gt=0, lt=1)


class FinetuneParams(TrainingParams):
    """Fine-tuning on one data set, starting from the pretrained model of the same size."""


class InstructParams(TrainingParams):
    """Instruction tuning, starting from the pretrained model of the same size."""


class EvaluateParams(Section):
    """How predictions are made and what they are compared with."""

    batch: int = Field(ge=1)
    beam: int = Field(ge=1)
    length_penalty: float = Field(ge=0)
    no_repeat_ngram: int = Field(ge=0, description="0 allows repetition")
    max_target_tokens: int = Field(ge=2)
    conditions: list[Literal["full", "blank"]]
    bootstrap: int = Field(ge=100)
    confidence: float = Field(gt=0, lt=1)


class ReportParams(Section):
    """What the report shows."""

    examples_per_dataset: int = Field(ge=0)


class Params(Section):
    """The whole of params.yaml.

    Zero-shot means unseen: a data set of ``zero_shot_on`` cannot be one of ``pretrained_on``.
    """

    profile: str
    seed: int
    sizes: list[str]
    datasets: list[str]
    sources: list[str] = Field(description="raw sources beyond the data sets")
    pretrained_on: list[str] = Field(description="data sets whose train pairs are pretrained on")
    zero_shot_on: list[str] = Field(description="data sets that the instructed model must not know")
    compute: ComputeParams
    acquire: AcquireParams
    ingest_pubmed: IngestPubmedParams
    build_vocabulary: BuildVocabularyParams
    prepare: PrepareParams
    fit_image_tokenizer: FitImageTokenizerParams
    tokenize_images: TokenizeImagesParams
    prepare_biomed_vital: PrepareBiomedVitalParams
    audit: AuditParams
    pretrain: PretrainParams
    finetune: FinetuneParams
    instruct: InstructParams
    evaluate: EvaluateParams
    report: ReportParams

    @model_validator(mode="after")
    def _check_lists(self) -> Params:
        for name, items in (("sizes", self.sizes), ("datasets", self.datasets)):
            if not items:
                raise ValueError(f"{name} is empty: name at least one")
        missing = [name for name in STAGE_SOURCES if name not in self.sources]
        if missing:
            raise ValueError(f"sources must name {missing}: stages of dvc.yaml read them")
        for where, items in (
            ("sizes", self.sizes),
            ("datasets and sources", [*self.datasets, *self.sources]),
        ):
            twice = sorted(item for item, count in Counter(items).items() if count > 1)
            if twice:
                raise ValueError(f"{where} name {twice} more than once")
        for name in ("pretrained_on", "zero_shot_on"):
            unknown = [item for item in getattr(self, name) if item not in self.datasets]
            if unknown:
                raise ValueError(f"{name} names {unknown}, which are not in datasets")
        if "full" not in self.evaluate.conditions:
            raise ValueError("evaluate.conditions must name full: the scores rest on it")
        known = [item for item in self.zero_shot_on if item in self.pretrained_on]
        if known:
            raise ValueError(f"zero_shot_on and pretrained_on share {known}: that is not zero-shot")
        return self


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml; UserError names the bad key and the allowed ones."""
    return validate(Params, load_yaml(path), str(path))


def load_yaml(path: Path) -> Any:
    """Parse a YAML file safely; UserError when it is missing or not YAML."""
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing", next_command="biomedgpt use demo") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML", why=str(error)) from None


def validate(model: type[M], values: Any, where: str) -> M:
    """Check values against a model; UserError lists each bad key, its value and what is allowed."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, item) for item in error.errors()]
        raise UserError(
            f"{where}: {len(lines)} bad settings", why="\n        ".join(lines)
        ) from None


def _explain(model: type[BaseModel], item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    if not path:  # a rule about several keys
        return str(item["msg"]).removeprefix("Value error, ")
    key, found = ".".join(path), item.get("input")
    if item["type"] == "extra_forbidden":
        allowed = sorted(_section_keys(model, path[:-1]))
        close = difflib.get_close_matches(path[-1], allowed, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        return f"{key}: unknown key{hint} Allowed here: {', '.join(allowed)}"
    if item["type"] == "missing":
        return f"{key}: missing"
    note = ""
    if isinstance(found, str) and item["type"].startswith("float"):
        note = " (YAML reads 1e-4 as text: write 1.0e-4)"
    return f"{key}: {item['msg']}, not {found!r}{note}"


def _section_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return list(model.model_fields)
