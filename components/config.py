"""params.yaml, typed at the door: one section per stage, strict, frozen, unknown keys refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from components.schema import Section, load_yaml, validate

STAGE_SOURCES = ("pubmed", "pmc_oa", "biomed_vital")
RELEASED_BPE = "bpe"  # the source that is read where build_vocabulary.text is files
PARAMS_FILE = Path("params.yaml")
# Of every size (components/model/config.py): tokens, and cells along a side of the image's grid.
MAX_POSITIONS, MAX_CELLS = 1024, 42
CELL_PX, CODE_PX = 16, 8  # side of a cell, and of what one image code stands for
MAX_CODES_SIDE = 31  # its square, with bos before it, fits the positions
MAX_SEED = 2**31 - 1  # what every generator of random numbers takes


class ComputeParams(Section):
    """Where the training loop runs. ``workers: 0`` runs it in the stage's own process."""

    device: Literal["auto", "cpu", "cuda"]
    workers: int = Field(ge=0)
    threads: int = Field(ge=1, description="torch threads of one stage process")
    parallel_stages: int = Field(ge=1, description="stages that the flow runs side by side")
    precision: Literal["float32", "bfloat16"]


class MedlineParams(Section):
    """Which of NLM's files of citations are fetched."""

    folders: list[Literal["baseline", "updatefiles"]] = Field(min_length=1)
    year: int = Field(ge=0, le=99, description="the 26 of pubmed26n0001; 0 is the newest there is")
    first: int = Field(ge=0, description="lowest number of a file")
    last: int = Field(ge=0, description="highest number; 0 is no limit")
    newest: int = Field(ge=0, description="of these the last so many of each folder; 0 is all")


class PmcParams(Section):
    """Which articles are fetched from PMC's bucket."""

    articles: str = Field(
        description="a file with a PMCID per line (PMC123 or PMC123.2, then names of figures, if "
        "only these are wanted), or a .jsonl of addresses of the old packages; empty: the first "
        "of the bucket's inventory. DVC follows the name alone"
    )
    num_articles: int = Field(ge=0, description="at most so many; 0 is all")
    figures: Literal["none", "all"] = Field(description="where the list names none")
    endpoint: str = Field(description="address of another S3 server with this bucket; empty: AWS")


class AcquireParams(Section):
    """How raw data arrives: made (sample), taken from a folder (local), or fetched (download).

    In mode download, what nobody may fetch by itself is taken from root, where root is named.
    """

    mode: Literal["sample", "local", "download"]
    root: str = Field(description="folder with the user's raw files, for mode local")
    state: str = Field(description="what root held when this file was written; renewed by `use`")
    workers: int = Field(ge=1, le=64, description="files fetched side by side")
    max_gib: float = Field(gt=0, description="what one run may receive of one source")
    max_quarantined: float = Field(ge=0, le=1, description="share of items that may be lost")
    images: bool = Field(
        description="fetch the images of conversations that are not there and that a list of "
        "addresses beside them names; not in mode sample"
    )
    medline: MedlineParams
    pmc: PmcParams
    sample_images: int = Field(ge=1, description="images per vision data set of the sample world")
    sample_texts: int = Field(ge=1, description="records per text data set of the sample world")
    sample_image_px: int = Field(ge=28)


class IngestPubmedParams(Section):
    """Which citations and articles become text."""

    languages: list[str]
    keep_retracted: bool
    min_text_chars: int = Field(ge=0)
    licences: Literal["any", "commercial-only"]
    near_duplicates: bool = Field(description="leave out what says nearly what another says")
    max_image_pixels: int = Field(ge=1)
    workers: int = Field(ge=0, description="0: in the stage's own process, without Ray")
    max_unreadable_files: int = Field(ge=0)
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
    """The VQ-GAN's width, and how it is fitted; or where a finished one lies."""

    start_from: str = Field(
        description="a folder with a tokenizer, or empty: one is fitted. DVC follows the name "
        "alone: give a folder whose content changed another name"
    )
    channels: int = Field(ge=4, multiple_of=4)
    latent: int = Field(ge=1)
    image_px: int = Field(ge=8, multiple_of=8)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    max_images: int = Field(ge=1)


class TokenizeImagesParams(Section):
    """Which part of an image becomes codes, and how they are picked."""

    image_px: int = Field(ge=8, multiple_of=8, le=MAX_CODES_SIDE * CODE_PX)
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
    image_px: int = Field(ge=16, le=MAX_CELLS * CELL_PX)
    max_source_tokens: int = Field(ge=16, le=MAX_POSITIONS)
    max_target_tokens: int = Field(ge=2, le=MAX_POSITIONS)
    log_every: int = Field(ge=1)
    save_every: int = Field(ge=1)
    long_text: Literal["cut", "refuse"] = "cut"  # over the limits: cut and counted, or an error
    freeze_embeddings: bool = False  # the tied matrix: the output layer, too
    freeze_trunk: bool = False  # with its batch-norm statistics
    lora_rank: int = Field(default=0, ge=0, description="0 trains the weights themselves")
    lora_alpha: float = Field(default=16.0, gt=0)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
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

    start_from: str = Field(
        description="a folder with a checkpoint, or empty: from scratch. DVC follows the name "
        "alone: give a folder whose content changed another name"
    )
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
    max_target_tokens: int = Field(ge=2, le=MAX_POSITIONS - 1)  # bos stands before them
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
    seed: int = Field(ge=0, le=MAX_SEED)
    sizes: list[str]
    datasets: list[str]
    sources: list[str] = Field(description="raw sources beyond the data sets")
    pretrained_on: list[str] = Field(description="data sets whose train pairs are pretrained on")
    pretraining_sources: list[str] = Field(description="sources that are for pretraining alone")
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
        read = [*STAGE_SOURCES, *[RELEASED_BPE] * (self.build_vocabulary.text == "files")]
        missing = [name for name in read if name not in self.sources]
        if missing:
            raise ValueError(f"sources must name {missing}: stages of dvc.yaml read them")
        for where, items in (
            ("sizes", self.sizes),
            ("datasets and sources", [*self.datasets, *self.sources]),
        ):
            twice = sorted(item for item, count in Counter(items).items() if count > 1)
            if twice:
                raise ValueError(f"{where} name {twice} more than once")
        for name in ("pretrained_on", "zero_shot_on", "pretraining_sources"):
            where = "sources" if name == "pretraining_sources" else "datasets"
            unknown = [item for item in getattr(self, name) if item not in getattr(self, where)]
            if unknown:
                raise ValueError(f"{name} names {unknown}, which are not in {where}")
        if "full" not in self.evaluate.conditions:
            raise ValueError("evaluate.conditions must name full: the scores rest on it")
        known = [item for item in self.zero_shot_on if item in self.pretrained_on]
        if known:
            raise ValueError(f"zero_shot_on and pretrained_on share {known}: that is not zero-shot")
        return self


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml; UserError names the bad key and the allowed ones."""
    return validate(Params, load_yaml(path), str(path))
