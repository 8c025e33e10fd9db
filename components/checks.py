"""What can be wrong with the settings as a whole, found before anything runs.

DVC tells of a key that is missing, but not of one that nobody reads, nor of two that do not agree.
"""

from __future__ import annotations

from pathlib import Path

from components.cards import PRETRAINING_TASKS, SOURCE_TASKS, Card, load_card
from components.config import Params, load_params
from components.devices import pick_device
from components.errors import UserError
from components.evaluation.metrics import find_metric
from components.model.config import model_config
from components.readers.registry import check_reader
from components.tasks.registry import PAIRED_TASKS, TASKS
from components.training_config import MAX_POSITIONS, TrainingParams


def examine_settings() -> None:
    """UserError for a mistake in params.yaml, in a card that it names, or in a size's name."""
    params = load_params()
    for name in params.sources:
        load_card(name)
    for name in params.pretraining_sources:
        check_pretraining_source(load_card(name))
    cards = [load_card(name) for name in params.datasets]
    for card in cards:
        check_card(card, pretrained_on=card.name in params.pretrained_on)
    for section in (params.pretrain, params.finetune, params.instruct):
        for size in section.overrides:
            model_config(size)
    for size in params.compute.overrides:
        model_config(size)
    for size in params.sizes:
        check_size(params, size, cards)
    check_start("pretrain", params.pretrain.start_from)
    check_start("fit_image_tokenizer", params.fit_image_tokenizer.start_from)
    pick_device(params.compute.device)


def check_card(card: Card, *, pretrained_on: bool) -> None:
    """UserError where a card is no data set of a task, or a name in it is not known."""
    if card.task in SOURCE_TASKS:
        raise UserError(
            f"datasets in params.yaml names {card.name}, which is no data set of a task",
            why=f"data/cards/{card.name}.yaml is a source ({card.task})",
            next_command="name it under sources instead",
        )
    if card.trains_only:
        raise UserError(
            f"datasets in params.yaml names {card.name}, which has no records to test on",
            why=f"data/cards/{card.name}.yaml has train as its only split",
            next_command="name it under sources and pretraining_sources instead",
        )
    if pretrained_on and not TASKS[card.task].needs_image:
        raise UserError(
            f"pretrained_on in params.yaml names {card.name}, which has no images",
            why=f"its task is {card.task}; pretraining takes image-text pairs from data sets",
            next_command="name data sets with images there; texts are pretrained on from articles",
        )
    check_reader(card)
    for metric in card.metrics:
        find_metric(metric)


def check_pretraining_source(card: Card) -> None:
    """UserError where a card gives no stream of pretraining, or a name in it is not known."""
    if card.task not in (*PRETRAINING_TASKS, *PAIRED_TASKS) or not card.trains_only:
        raise UserError(
            f"pretraining_sources in params.yaml names {card.name}, which is not for that alone",
            why=f"its task is {card.task}, and its splits are {card.official_splits}",
            next_command="name a data set under datasets and pretrained_on instead",
        )
    check_reader(card)


def check_start(stage: str, folder: str) -> None:
    """UserError where a stage is to start from a folder that is not there."""
    if folder and not Path(folder).is_dir():
        raise UserError(
            f"{stage}.start_from in params.yaml names {folder}, which is not a folder",
            next_command=f"biomedgpt import FILE --to {folder}, or empty start_from",
        )


def check_size(params: Params, size: str, cards: list[Card]) -> None:
    """UserError where a size is not known, or a training run of it would not fit the model."""
    model_config(size)
    pretrain = params.pretrain.for_run(size)
    params.instruct.for_run(size)
    for card in cards:
        check_lengths(card, params.finetune.for_run(size, card.recipe), "finetune")
        if card.name in params.pretrained_on:
            check_lengths(card, pretrain, "pretrain")


def check_lengths(card: Card, settings: TrainingParams, stage: str) -> None:
    """UserError where question and answer, which the decoder reads in a row, may not fit it."""
    longest = settings.max_source_tokens + settings.max_target_tokens
    if TASKS[card.task].decoder_prompt != "none" and longest > MAX_POSITIONS:
        raise UserError(
            f"{stage}: max_source_tokens and max_target_tokens are {longest} together",
            why=f"{card.name}: the decoder reads the question before the answer, and has "
            f"{MAX_POSITIONS} positions",
            next_command=f"lower one of them under {stage} in params.yaml",
        )
