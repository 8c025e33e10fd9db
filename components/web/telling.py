"""What the server answers, typed; the OpenAPI document is made of these."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.schema import Section
from components.serving.looking import Gaze, Look
from components.serving.served import Reply
from components.web.takes import Takes

NOTE = "Research only, not for clinical use."
MAX_SHOWN = 8  # candidates of an answer
SAME_BELOW = 0.05  # a shift that is not worth a word


class Candidate(Section):
    """An answer that was weighed, and its probability among all that the model may give."""

    text: str = Field(examples=["yes"])
    probability: float = Field(ge=0, le=1)


class Said(Section):
    """An answer. ``probability_is``: ``among_candidates`` is the answer's share among all that the
    model may give; ``per_token`` the mean (geometric) over the pieces of a freely written one."""

    answer: str = Field(examples=["yes"])
    probability: float = Field(ge=0, le=1)
    calibrated: bool = Field(description="whether probabilities were fitted to how often it errs")
    calibration: str = Field(examples=["uncalibrated"])
    probability_is: Literal["among_candidates", "per_token"]
    candidates: list[Candidate] = Field(description="the likeliest first; empty where it is free")


class Blank(Section):
    """What the model says with a grey image in the place of the true one. ``shift``: how much of
    the probability moved, 0 to 1; null where answers are free."""

    said: Said
    is_same: bool
    shift: float | None = Field(ge=0, le=1)
    words: str


class Attention(Section):
    """Where the decoder read: rows of cells from the top left, which sum to 1."""

    cells: list[list[float]]
    image_share: float = Field(ge=0, le=1, description="of all attention, the rest is on the words")
    even_share: float = Field(ge=0, le=1, description="what the image had got of even attention")
    place: str = Field(examples=["upper left"], description="the ninth of the image with the most")
    method: str
    limits: str


class Answer(Section):
    """An answer, what else was weighed, and what it rests on where ``explain`` was true."""

    said: Said
    without_image: Blank | None
    attention: Attention | None
    num_cut: int = Field(ge=0, description="words and tokens over the limits, which were not read")
    seconds: float = Field(ge=0)
    model: str = Field(examples=["vqa-large@v1"])
    note: str = NOTE


class Seen(Section):
    """An image as it was understood. ``shown`` is a PNG of all of it, ``given`` what the model is
    given, ``tokens`` its reconstruction from image tokens, as data URLs."""

    format: str = Field(examples=["PNG"])
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    shown: str
    given: str
    given_px: int
    tokens: str | None
    num_tokens: int
    why_no_tokens: str
    note: str = NOTE


class Facts(Section):
    """The model that is served, of what it is made, and what it takes."""

    name: str
    task: str
    dataset: str
    parameters: int
    image_px: int
    answers: Literal["closed", "own options", "free"]
    num_answers: int
    takes: Takes
    version: dict[str, str] = Field(description="versions and sha256 by name")
    licence: str
    access: list[str]
    limits: dict[str, int | float]
    has_image_tokens: bool
    why_no_image_tokens: str
    note: str = NOTE


class Health(Section):
    """Whether answers can be had, and how many requests are in the house."""

    status: Literal["ok"]
    requests: int = Field(ge=0)
    seats: int = Field(ge=1)
    seconds_each: float = Field(ge=0)


class Example(Section):
    """A made-up picture of the sample world, as a data URL, and questions about it."""

    title: str
    image: str
    questions: list[str]


METHOD = (
    "Cross-attention of the decoder at the answer's tokens (word pieces), averaged over them, over "
    "all heads and all layers."
)
LIMITS = (
    "It shows where the decoder read, not why it answered: an answer can stay the same with other "
    "attention, and each cell also holds what the encoder mixed into it from the rest of the image."
)
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


def tell_reply(reply: Reply) -> Said:
    """A reply in words and probabilities."""
    options, sure = reply.candidates[:MAX_SHOWN], reply.confidence
    return Said(
        answer=reply.text,
        probability=sure.value,
        calibrated=sure.is_calibrated,
        calibration=sure.words,
        probability_is="among_candidates" if options else "per_token",
        candidates=[Candidate(text=text, probability=share) for text, share in options],
    )


def tell_look(look: Look, seconds: float, model: str) -> Answer:
    """An answer with what it rests on."""
    return Answer(
        said=tell_reply(look.reply),
        without_image=tell_blank(look),
        attention=tell_gaze(look.gaze) if look.gaze else None,
        num_cut=look.reply.num_cut,
        seconds=seconds,
        model=model,
    )


def tell_blank(look: Look) -> Blank | None:
    """What is said without the image, and a sentence on it."""
    if look.blank is None:
        return None
    is_same = look.blank.text == look.reply.text
    if not is_same:
        words = "Without the image it says something else: the image changed the answer."
    elif look.shift is None:
        words = "Without the image it says the same: do not take this answer as seen in the image."
    elif look.shift < SAME_BELOW:
        words = (
            "Without the image it says the same, as surely: do not take this answer as seen in "
            "the image."
        )
    else:
        words = "Without the image it says the same, though not as surely: the image had a part."
        if look.blank.log_probability > look.reply.log_probability:
            words = "Without the image it says the same, and more surely: the image spoke against."
    return Blank(said=tell_reply(look.blank), is_same=is_same, shift=look.shift, words=words)


def tell_gaze(gaze: Gaze) -> Attention:
    """Attention, with its method, its limits, and the part of the image that got most."""
    return Attention(
        cells=[[round(value, 6) for value in row] for row in gaze.cells],
        image_share=min(gaze.image_share, 1.0),
        even_share=gaze.even_share,
        place=name_place(gaze.cells),
        method=METHOD,
        limits=LIMITS,
    )


def name_place(cells: list[list[float]]) -> str:
    """The ninth of the image that holds the most attention a cell, in words."""
    rows, columns = len(cells), len(cells[0])
    sums: dict[tuple[int, int], list[float]] = {}
    for i, row in enumerate(cells):
        for j, value in enumerate(row):
            place = int(3 * (i + 0.5) / rows), int(3 * (j + 0.5) / columns)
            sums.setdefault(place, []).append(value)
    best = max(sums, key=lambda place: sum(sums[place]) / len(sums[place]))
    words = f"{ROWS[best[0]]} {COLUMNS[best[1]]}"
    return "the centre" if words == "middle centre" else f"the {words}"
