"""Conditions: what of a test item a model is shown, so that it is seen what its answer rests on.

A model that answers a grey or a random picture as well as the true one has not looked at it; one
that answers without the question has not needed it. Each condition is a function of the item and
of what decides chance, so that a condition is the same in every run. The ablations of the image
follow Goyal et al. 2017 (arXiv 1612.00837) and Hessel and Lee 2020 (arXiv 2010.06572).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from components.records import Example
from components.tasks.answer import CONTEXT, OPTIONS

FULL = "full"
BLANK = "blank"  # a grey image
NOISE = "noise"  # random pixels in the image's place
SWAPPED = "swapped"  # the image of another test item
TEXT_ONLY = "text_only"  # no image at all: the encoder reads the text alone
NO_QUESTION = "no_question"  # the image, or the options and the context, without the question
OTHER_ANSWERS = "other_answers"  # all of the item, and the other list of answers to choose among

# Pictures that are not stored: no image's id, which is a sha256, is like these.
GREY, NOISE_OF = "grey", "noise of "
OPEN, CHOSEN = "open", "chosen"  # how a zero-shot answer is given: in any words, or out of a set

OF_IMAGES = (BLANK, NOISE, SWAPPED, TEXT_ONLY)
OWN_QUESTION = ("vqa", "answer")  # tasks whose question is the item's, not a fixed prompt


def applicable(conditions: Sequence[str], task: str, examples: Sequence[Example]) -> list[str]:
    """Those of the conditions that mean something for these items, in their order.

    Without images there is none to take away, with one image alone none to swap for it; a question
    is dropped where it is the item's own.
    """
    images = {example.image_id for example in examples} - {""}
    idle = set() if images else set(OF_IMAGES)
    if len(images) < 2:
        idle.add(SWAPPED)
    if task not in OWN_QUESTION:
        idle.add(NO_QUESTION)
    return [condition for condition in conditions if condition not in idle]


def show(examples: Sequence[Example], condition: str, seed: int) -> list[Example]:
    """The items as they are asked under a condition.

    ``image_id`` then names a picture that ``draw`` knows: a stored image, grey, or noise.
    """
    if condition == NO_QUESTION:
        return [drop_question(example) for example in examples]
    named = _name_pictures(examples, condition, seed)
    return [replace(e, image_id=named[e.image_id]) if e.image_id else e for e in examples]


def _name_pictures(examples: Sequence[Example], condition: str, seed: int) -> Mapping[str, str]:
    if condition == SWAPPED:
        return swap_images(examples, seed)
    seen = {example.image_id for example in examples} - {""}
    if condition == NOISE:
        return {image: NOISE_OF + image for image in seen}
    instead = {BLANK: GREY, TEXT_ONLY: ""}
    return {image: instead.get(condition, image) for image in seen}


def draw(picture: str, image_px: int) -> str | np.ndarray:
    """What an image store makes pixels of: an id, none (grey), or (px, px, 3) uint8 of noise.

    The noise is the image's own: questions about one image see the same.
    """
    if picture == GREY:
        return ""
    if picture.startswith(NOISE_OF):
        chance = np.random.default_rng(list(picture.encode()))
        return chance.integers(0, 256, (image_px, image_px, 3), dtype=np.uint8)
    return picture


def swap_images(examples: Sequence[Example], seed: int) -> Mapping[str, str]:
    """For each image another one of these items, of another group where there is one.

    The groups stand in a row, in an order that follows from the seed; the images of each go on
    with those behind it, and after the last with the first ones. ValueError for fewer than two.
    """
    groups = {e.image_id: e.group or e.image_id for e in examples if e.image_id}
    if len(groups) < 2:
        raise ValueError(f"{len(groups)} images cannot be swapped")
    rank = {name: place for place, name in enumerate(sorted(set(groups.values())))}
    order = random.Random(seed).sample(range(len(rank)), len(rank))
    row = sorted(groups, key=lambda image: (order[rank[groups[image]]], image))
    swapped: dict[str, str] = {}
    for _, members in groupby(row, key=groups.__getitem__):
        own, begin = list(members), len(swapped)
        others = [*row[begin + len(own) :], *row[:begin]] or [*own[1:], own[0]]
        swapped |= {image: others[i % len(others)] for i, image in enumerate(own)}
    return swapped


def drop_question(example: Example) -> Example:
    """The item without what it asks: its options and its context stay."""
    begins = [example.source.find(mark) for mark in (OPTIONS, CONTEXT)]
    rest = min((at for at in begins if at >= 0), default=len(example.source))
    return replace(example, source=example.source[rest:], prefix="")
