"""What a kind of task is: how a record becomes text in and text out, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

TURN = "\n"  # in a target: replies, and between them what is asked next
Fields = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A record as text.

    ``source`` goes to the encoder; ``prefix`` is given to the decoder before the answer (for VQA
    the question, as in the reference's ``prev_output`` prompt); ``target`` is what is learnt;
    ``references`` are what a prediction is scored against; ``candidates`` are this record's own
    options, where it has them; ``num_cut`` counts the words that the reference's limits left out.
    Prompts keep their one leading space: it decides the first token.
    """

    source: str
    target: str
    references: list[str]
    prefix: str = ""
    candidates: list[str] = field(default_factory=list)
    num_cut: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of task. ``decoder_prompt`` as the reference's prompt types; ``answer`` says how.

    Where ``decoder_prompt`` is ``turns``, a target may hold more than one reply (TURN between).

    ``answer``: ``candidates`` scores a fixed or train-made answer set, ``options`` the record's
    own, ``text`` searches freely.
    """

    name: str
    fields: tuple[str, ...]
    needs_image: bool
    decoder_prompt: Literal["none", "question", "source", "turns"]
    answer: Literal["candidates", "options", "text"]
    render: Callable[[Fields], Rendered]
