"""The plan of one training run: its settings, its bill, its missing inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.cards import SOURCE_TASKS, Card, load_card
from components.config import Params
from components.errors import UserError
from components.model.config import VOCABULARY_SIZE, model_config
from components.model.specials import NUM_SPECIALS
from components.parallel import share_batch
from components.planning.bill import draw_up
from components.planning.missing import find_missing
from components.planning.streams import Stream, pretraining_streams, tuning_stream
from components.planning.words import tell_assumptions, tell_bill, tell_missing
from components.tokenization.vocabulary import LAYOUT_FILE, Vocabulary
from components.training_config import TrainingParams

VOCABULARY = Path("data/vocabulary")
NUM_BYTES = 256
INSTRUCTIONS = "biomed_vital"


def plan_training(params: Params, stage: str, size: str, dataset: str, gpus: int) -> Iterator[str]:
    """Lines of text. UserError for an unknown size or data set, or where one must be named."""
    model_config(size)
    if (stage == "finetune") != bool(dataset):
        raise UserError(
            "finetune needs a data set" if stage == "finetune" else f"{stage} takes no data set",
            why=f"data sets of params.yaml: {', '.join(params.datasets)}",
            next_command=f"biomedgpt plan {stage} --size {size}"
            + (f" --dataset {params.datasets[0]}" if stage == "finetune" else ""),
        )
    if stage == "finetune":
        check_tunable(load_card(dataset))
    if gpus < 1:
        raise UserError(f"--gpus {gpus}: a run needs one GPU at least")
    settings = settings_of(params, stage, size, dataset)
    config = model_config(
        size, vocabulary_size(params), code_image_size=params.tokenize_images.image_px
    )
    bill = draw_up(params, config, settings, streams_of(params, stage, settings, dataset), gpus)
    name = " ".join(filter(None, (stage, size, dataset)))
    settings_from = f"settings of params.yaml, profile {params.profile}"
    yield from tell_bill(bill, f"{name}, {gpus} GPUs, {settings_from}", gpus)
    yield from tell_refusal(stage, settings, gpus)
    yield ""
    yield from tell_missing(find_missing(params, stage, size, dataset))
    yield ""
    is_known = is_vocabulary_known(params)
    yield from tell_assumptions(bill.kinds, params.compute.precision, is_known=is_known)
    if size not in params.sizes:
        others = ", ".join(params.sizes)
        yield f"  params.yaml is set for {others}; `biomedgpt use` writes it for another size"
    if dataset and dataset not in params.datasets:
        yield f"  params.yaml does not name {dataset} under datasets"


def check_tunable(card: Card) -> None:
    """UserError where nothing can be fine-tuned on what a card describes."""
    if card.trains_only or card.task in SOURCE_TASKS:
        raise UserError(
            f"{card.name} is no data set to fine-tune on",
            why=f"its task is {card.task}, and its splits are {', '.join(card.official_splits)}",
            next_command="biomedgpt datasets, which names them",
        )


def tell_refusal(stage: str, settings: TrainingParams, gpus: int) -> Iterator[str]:
    """Why a run on so many GPUs would not be started, where it would not."""
    try:
        share_batch(stage, settings.effective_batch, settings.micro_batch, gpus)
    except UserError as error:
        yield ""
        yield f"such a run is refused: {error}"


def settings_of(params: Params, stage: str, size: str, dataset: str) -> TrainingParams:
    """The settings that the stage would run with."""
    if stage == "finetune":
        settings: TrainingParams = params.finetune.for_run(size, load_card(dataset).recipe)
        return settings
    sections = {"pretrain": params.pretrain, "instruct": params.instruct}
    settings = sections[stage].for_run(size)
    return settings  # noqa: RET504 (for_run gives Any)


def streams_of(params: Params, stage: str, settings: TrainingParams, dataset: str) -> list[Stream]:
    """What a step of the stage draws."""
    if stage == "pretrain":
        boxed = any(load_card(name).task == "detect" for name in params.pretraining_sources)
        code_px = params.tokenize_images.image_px
        return pretraining_streams(settings, code_px, has_boxes=boxed)  # type: ignore[arg-type]
    return [tuning_stream(settings, load_card(dataset or INSTRUCTIONS))]


def is_vocabulary_known(params: Params) -> bool:
    """Whether the number of tokens is certain: it is built, or the released one."""
    return (VOCABULARY / LAYOUT_FILE).is_file() or params.build_vocabulary.text == "files"


def vocabulary_size(params: Params) -> int:
    """Tokens of the vocabulary that is there, or that build_vocabulary is set to make."""
    words = params.build_vocabulary
    if (VOCABULARY / LAYOUT_FILE).is_file():
        return Vocabulary.load(VOCABULARY).size
    if words.text == "files":
        return VOCABULARY_SIZE
    return NUM_SPECIALS + NUM_BYTES + words.num_merges + 1 + words.num_codes + words.num_bins
