"""Questions about pictures whose text says nothing about the answer.

For every wording the answers are even over the pictures, so that whoever answers without looking
is right once in k times for k possible answers. What a model gains beyond that, it has seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from components.sample.scenes import COUNTS, SHADES, SHAPES, SIDES, SIZES, Scene, draw_evenly
from components.sample.words import IMAGE_KINDS, NUMBERS

OPEN_FORMS = {
    "side": ("On which side is the lesion?", "Which side is abnormal?"),
    "count": ("How many lesions are there?", "What is the number of lesions?"),
    "size": ("What is the size of the lesion?", "Is the lesion small or large?"),
    "shape": ("What is the shape of the lesion?", "What shape does the lesion have?"),
    "shade": ("What is the shade of the lesion?", "Is the lesion bright or dark?"),
    "modality": ("What modality is used to take this image?", "What type of image is this?"),
}
CLOSED_FORMS = {
    "side": ("Is the lesion on the {v} side?", "Is the {v} side abnormal?"),
    "size": ("Is the lesion {v} in size?", "Is the size of the lesion {v}?"),
    "shade": ("Is the lesion {v} in shade?", "Does the lesion look {v}?"),
    "modality": ("Is the modality {v}?", "Is this type of image {v}?"),
    "presence": ("Is there a lesion?", "Is the image abnormal?"),
}
ATTRIBUTES = ("side", "count", "size", "shape", "shade")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer; ``kind`` is what it asks about, ``closed`` if yes or no."""

    question: str
    answer: str
    kind: str
    closed: bool
    form: int


def values_of_kind(kind: str, modalities: Sequence[str]) -> list[str]:
    """The words that may answer an open question of this kind."""
    values: dict[str, Sequence[str]] = {
        "side": SIDES,
        "count": [NUMBERS[count] for count in COUNTS],
        "size": SIZES,
        "shape": SHAPES,
        "shade": SHADES,
        "modality": [IMAGE_KINDS[modality] for modality in modalities],
    }
    return list(values[kind])


def answer_kind(scene: Scene, kind: str) -> str:
    """The word that answers an open question; ValueError when a normal picture has none."""
    if kind == "modality":
        return IMAGE_KINDS[scene.modality]
    if scene.lesions is None:
        raise ValueError(f"a picture without lesions has no {kind}")
    value = getattr(scene.lesions, kind)
    return NUMBERS[value] if kind == "count" else str(value)


def ask_open(scene: Scene, kind: str, chance: random.Random) -> Asked:
    """An open question in one of two wordings."""
    form = chance.randrange(2)
    return Asked(OPEN_FORMS[kind][form], answer_kind(scene, kind), kind, False, form)


def ask_closed(
    scene: Scene, kind: str, truth: bool, modalities: Sequence[str], chance: random.Random
) -> Asked:
    """A yes/no question that names the true value, or else any of the other values."""
    form, value = chance.randrange(2), answer_kind(scene, kind)
    if not truth:
        value = chance.choice([v for v in values_of_kind(kind, modalities) if v != value])
    question = CLOSED_FORMS[kind][form].format(v=value)
    return Asked(question, "yes" if truth else "no", kind, True, form)


def ask_presence(scene: Scene, chance: random.Random) -> Asked:
    """Whether there is a lesion at all."""
    form = chance.randrange(2)
    answer = "yes" if scene.lesions else "no"
    return Asked(CLOSED_FORMS["presence"][form], answer, "presence", True, form)


def ask_about(
    scenes: Sequence[Scene], modalities: Sequence[str], chance: random.Random
) -> list[list[Asked]]:
    """Three open and two or three closed questions on each picture with lesions, two on others.

    What has two values, and the modality, is also asked for with yes or no. As many pictures with
    lesions as without are asked about presence. The modality is asked for only where there are
    several.
    """
    kinds = [*ATTRIBUTES, *(["modality"] if len(modalities) > 1 else [])]
    truths = {kind: iter(draw_evenly((True, False), len(scenes), chance)) for kind in kinds}
    with_lesions = [index for index, scene in enumerate(scenes) if scene.lesions]
    num_normal = len(scenes) - len(with_lesions)
    ask_if_any = set(chance.sample(with_lesions, min(num_normal, len(with_lesions))))
    asked: list[list[Asked]] = []
    for index, scene in enumerate(scenes):
        order = chance.sample(kinds, len(kinds)) if scene.lesions else kinds[len(ATTRIBUTES) :]
        opened = order[:3]
        closed = [kind for kind in reversed(order) if kind in CLOSED_FORMS][:3]
        questions = [ask_open(scene, kind, chance) for kind in opened]
        if scene.lesions is None or index in ask_if_any:
            questions.append(ask_presence(scene, chance))
            closed = closed[:-1] if scene.lesions else closed
        questions += [
            ask_closed(scene, kind, next(truths[kind]), modalities, chance) for kind in closed
        ]
        asked.append(questions)
    return asked
