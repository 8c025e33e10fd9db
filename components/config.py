"""params.yaml, typed at the door: one section per stage, strict, frozen, unknown keys refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from components.parallel import ParallelParams
from components.schema import Section, load_yaml, validate
from components.training_config import (
    CODE_PX,
    MAX_POSITIONS,
    FinetuneParams,
    InstructParams,
    PretrainParams,
)

STAGE_SOURCES = ("pubmed", "pmc_oa", "biomed_vital")
RELEASED_BPE = "bpe"  # the source that is read where build_vocabulary.text is files
PARAMS_FILE = Path("params.yaml")
MAX_CODES_SIDE = 31  # its square, with bos before it, fits the positions
MAX_SEED = 2**31 - 1  # what every generator of random numbers takes


class ComputeParams(ParallelParams):
    """Where the training loop runs, and how its workers share the work."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: the GPU, where there is one")
    threads: int = Field(ge=1, description="torch threads of one stage process")
    parallel_stages: int = Field(ge=1, description="stages that the flow runs side by side")
    precision: Literal["float32", "bfloat16"] = Field(description="of the matrix products")
    checkpoints: str = Field(
        pattern=r"^(s3://[^/]+.*|[^:]+)$",
        description="a folder, or s3://bucket/prefix: then data/checkpoints as well",
    )
    keep_last: int = Field(ge=1, description="checkpoints of a run that stay, the newest first")
    keep_best: int = Field(ge=0, description="and those with the best scores, where any is scored")
    keep_answers: bool = Field(
        description="evaluations keep answers in data/answers, and go on where they stopped"
    )
    track: list[Literal["dvclive", "tensorboard"]] = Field(
        description="who else is told how a run goes, beside the terminal; no stage follows it"
    )


class MedlineParams(Section):
    """Which of NLM's files of citations are fetched."""

    folders: list[Literal["baseline", "updatefiles"]] = Field(min_length=1, description="of NLM")
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

    In mode download, what nobody may fetch by itself is taken from root, where root is named; in
    mode sample, a data set of the user's own.
    """

    mode: Literal["sample", "local", "download"] = Field(description="made, from root, or fetched")
    root: str = Field(description="folder, or s3://bucket/prefix, with the user's raw files")
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
    sample_image_px: int = Field(ge=28, description="side of its images")


class IngestPubmedParams(Section):
    """Which citations and articles become text."""

    languages: list[str] = Field(description="of three letters, as PubMed writes them")
    keep_retracted: bool = Field(description="keep what was retracted")
    min_text_chars: int = Field(ge=0, description="a shorter text is left out")
    licences: Literal["any", "commercial-only"] = Field(
        description="any, or those that allow trade"
    )
    near_duplicates: bool = Field(description="leave out what says nearly what another says")
    max_image_pixels: int = Field(ge=1, description="a larger image is not decoded")
    workers: int = Field(ge=0, description="0: in the stage's own process, without Ray")
    max_unreadable_files: int = Field(ge=0, description="more of them end the stage")
    max_quarantined: float = Field(ge=0, le=1, description="share of records; more ends the stage")


class BuildVocabularyParams(Section):
    """The one id space: specials, BPE, mask, image codes, location bins."""

    text: Literal["train", "files"] = Field(description="a new BPE, or the released one")
    num_merges: int = Field(ge=0, description="of the BPE")
    num_codes: int = Field(ge=1, description="of the image tokenizer's codebook")
    num_bins: int = Field(ge=2, description="of places along a side, for boxes")


class PrepareParams(Section):
    """From raw rows to examples."""

    max_train: int = Field(ge=1, description="examples of a data set that are kept")
    max_validation: int = Field(ge=1, description="examples of its validation split")
    max_test: int = Field(ge=1, description="examples of its test split")
    derived_validation: float = Field(gt=0, lt=1, description="share, where no official split is")
    derived_test: float = Field(gt=0, lt=1, description="share, where no official split is")
    max_image_pixels: int = Field(ge=1, description="a larger image is not decoded")
    max_quarantined: float = Field(ge=0, le=1, description="share of rows; more ends the stage")


class FitImageTokenizerParams(Section):
    """The VQ-GAN's width, and how it is fitted; or where a finished one lies."""

    start_from: str = Field(
        description="a folder with a tokenizer, or empty: one is fitted. DVC follows the name "
        "alone: give a folder whose content changed another name"
    )
    channels: int = Field(ge=4, multiple_of=4, description="of the first layer")
    latent: int = Field(ge=1, description="channels of a code")
    image_px: int = Field(ge=8, multiple_of=8, description="side of a training image")
    steps: int = Field(ge=1, description="updates of the weights")
    batch: int = Field(ge=1, description="images of an update")
    learning_rate: float = Field(gt=0, description="of Adam")
    max_images: int = Field(ge=1, description="that it is fitted on, at most")


class TokenizeImagesParams(Section):
    """Which part of an image becomes codes, how they are picked, and what they must keep."""

    image_px: int = Field(
        ge=8, multiple_of=8, le=MAX_CODES_SIDE * CODE_PX, description="side of the crop, scaled"
    )
    crop: Literal["centre", "whole"] = Field(description="the middle half, or all")
    codes: Literal["argmax", "gumbel"] = Field(description="the likeliest, or a sample by the seed")
    batch: int = Field(ge=1, description="images at a time")
    workers: int = Field(ge=0, description="0: in the stage's own process, without Ray")
    max_quarantined: float = Field(ge=0, le=1, description="share of images; more ends the stage")
    min_quality: dict[str, dict[Literal["psnr_db", "ssim"], float]] = Field(
        description="least mean by modality, 0 for none; `every` is asked of those not named"
    )


class PrepareBiomedVitalParams(Section):
    """How conversations become examples."""

    conversion: Literal["single_turn", "multi_turn"] = Field(description="a reply, or a whole talk")
    history_turns: int = Field(ge=0, description="earlier pairs that single_turn reads")
    leave_out_unsupported: bool = Field(description="replies that assert more than their caption")
    validation_share: float = Field(gt=0, lt=1, description="of conversations, held out")
    max_quarantined: float = Field(ge=0, le=1, description="share of records; more ends the stage")


class AuditParams(Section):
    """What counts as an overlap of training and test material, and what is left out for it."""

    ngram_words: int = Field(ge=2, description="length of a run of words that two texts share")
    min_alike: float = Field(ge=0.5, le=1, description="correlation of images that look the same")
    drop: list[
        Literal["same_pair", "same_image", "similar_image", "same_text", "near_text",
                "same_document", "same_group", "shared_text"]
    ] = Field(description="kinds that training leaves out")  # fmt: skip


class EvaluateParams(Section):
    """How predictions are made and what they are compared with."""

    batch: int = Field(ge=1, description="test items at a time")
    beam: int = Field(ge=1, description="hypotheses of the search; 1 is greedy")
    length_penalty: float = Field(ge=0, description="scores are divided by length to it")
    no_repeat_ngram: int = Field(ge=0, description="0 allows repetition")
    # bos stands before them
    max_target_tokens: int = Field(ge=2, le=MAX_POSITIONS - 1, description="of an answer")
    conditions: list[
        Literal["full", "blank", "noise", "swapped", "text_only", "no_question", "other_answers"]
    ] = Field(description="what of a test item is shown; each but full where it changes something")
    bootstrap: int = Field(ge=100, description="resamples behind an interval")
    confidence: float = Field(gt=0, lt=1, description="of an interval")


class ProbeParams(Section):
    """How the open questions are asked."""

    max_items: int = Field(ge=1, description="items that are asked once more in each way")
    window_tokens: int = Field(ge=0, description="of long text, with ends; 0: the model's limit")


class ReportParams(Section):
    """What the report shows."""

    examples_per_dataset: int = Field(ge=0, description="test items that can be browsed")
    show_private: bool = Field(description="private sets' too; the page is then for this house")


class GpuParams(Section):
    """One kind of GPU, as `biomedgpt plan STAGE` reckons with it. Nothing is run by these numbers.

    Memory, rate (dense) and watts of the defaults are of NVIDIA's data sheets of the SXM boards;
    prices are the middle of what smaller clouds asked for an hour on demand in early 2026 (A100
    1.5 to 2.5 USD, H100 2.5 to 4), rounded: put in your own. The utilisation is assumed.
    """

    memory_gb: float = Field(gt=0, description="of the board")
    tflops: float = Field(gt=0, description="peak of matrix products in compute.precision, 10^12/s")
    mfu: float = Field(gt=0, le=1, description="share of the peak that training reaches")
    watts: float = Field(gt=0, description="of the board at full load")
    usd_per_hour: float = Field(ge=0, description="on demand")


class PlanParams(Section):
    """What `biomedgpt plan STAGE` reckons with."""

    gpus: dict[str, GpuParams] = Field(min_length=1, description="by name")


class Params(Section):
    """The whole of params.yaml.

    Zero-shot means unseen: a data set of ``zero_shot_on`` cannot be one of ``pretrained_on``.
    """

    profile: str = Field(description="that this file was written from")
    seed: int = Field(ge=0, le=MAX_SEED, description="of every random draw")
    sizes: list[str] = Field(description="of models, by name")
    datasets: list[str] = Field(description="cards that are trained on and tested")
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
    probe: ProbeParams
    report: ReportParams
    plan: PlanParams

    @model_validator(mode="after")
    def _check_lists(self) -> Params:
        for name, items in (("sizes", self.sizes), ("datasets", self.datasets)):
            if not items:
                raise ValueError(f"{name} is empty: name at least one")
        read = [*STAGE_SOURCES, *[RELEASED_BPE] * (self.build_vocabulary.text == "files")]
        missing = [name for name in read if name not in self.sources]
        if missing:
            raise ValueError(f"sources must name {missing}: stages of dvc.yaml read them")
        chosen = ("pretrained_on", "zero_shot_on", "pretraining_sources")
        for where, items in (
            ("sizes", self.sizes),
            ("datasets and sources", [*self.datasets, *self.sources]),
            *((name, getattr(self, name)) for name in chosen),  # it would count twice
            ("evaluate.conditions", list[str](self.evaluate.conditions)),  # so would its answers
        ):
            if twice := sorted(item for item, count in Counter(items).items() if count > 1):
                raise ValueError(f"{where} name {twice} more than once")
        for name in chosen:
            where = "sources" if name == "pretraining_sources" else "datasets"
            unknown = [item for item in getattr(self, name) if item not in getattr(self, where)]
            if unknown:
                raise ValueError(f"{name} names {unknown}, which are not in {where}")
        if "full" not in self.evaluate.conditions:
            raise ValueError("evaluate.conditions must name full: the scores rest on it")
        if known := [item for item in self.zero_shot_on if item in self.pretrained_on]:
            raise ValueError(f"zero_shot_on and pretrained_on share {known}: that is not zero-shot")
        return self


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml; UserError names the bad key and the allowed ones."""
    return validate(Params, load_yaml(path), str(path))
