"""Conversations as rows of the task ``instruct``, in one of two ways.

The paper says that it tuned on BioMed-VITAL's 210K conversations, not how a conversation became
training examples: how many turns, in which order, whether earlier ones are read, and where the loss
is. Both ways below are this project's, and both let an encoder-decoder see at each reply what it
would see when it is asked: the image, the request, what was said before, and nothing that came
later.

``single_turn``: an example for each reply. The encoder reads the request and up to
``history_turns`` earlier pairs, the newest first; 0 asks every question as if it were the first.

``multi_turn``: an example for each conversation. The encoder reads the image and the first request;
the decoder is given the later requests between the replies and learns the replies alone, as LLaVA
trains a decoder. The image is encoded once, not at every reply; what is said must fit into
``instruct.max_target_tokens``.

A third way, all requests in the encoder and all replies in the decoder, is not offered: later
requests tell earlier answers ("What does this herniation suggest?"), and no one asks so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from components.instructions.conversations import Conversation, Pair
from components.records import OUTSIDE, RawRow, Reject

Conversion = Literal["single_turn", "multi_turn"]
NO_IMAGE = "no-image"  # the category of requests whose image is not at hand


def convert(
    talk: Conversation,
    conversion: Conversion,
    history_turns: int,
    left_out: Collection[int] = (),
) -> Iterator[RawRow | Reject]:
    """Rows with the fields history, question, answer; a Reject for each pair that is none.

    Pairs whose numbers ``left_out`` holds are left out by rule. In ``multi_turn``, ``answer`` is
    a list: the replies, with the later requests between them.
    """
    said: list[Pair] = []
    first = 0
    for number, pair in enumerate(talk.pairs):
        if isinstance(pair, str):
            yield Reject(f"{talk.origin}.{number}", pair)
            continue
        if number in left_out:
            yield Reject(f"{talk.origin}.{number}", OUTSIDE, "asserts what its caption does not")
            continue
        if conversion == "single_turn":
            history = lay_out(said[-history_turns:] if history_turns else [])
            yield _row(talk, number, history, *pair)
        first = first if said else number
        said.append(pair)
    if conversion == "multi_turn" and said:
        request, *rest = [text for pair in said for text in pair]
        yield _row(talk, first, "", request, rest)


def _row(
    talk: Conversation, number: int, history: str, request: str, answer: str | list[str]
) -> RawRow:
    return RawRow(
        id=f"{talk.key}/{talk.name}.{number}",
        split="train",
        fields={"history": history, "question": request, "answer": answer},
        origin=f"{talk.origin}.{number}",
        image=talk.image,
        group=talk.key,
        category="" if talk.image else NO_IMAGE,
        modality=talk.modality,
        documents=talk.documents,
    )


def lay_out(turns: list[Pair]) -> str:
    """Earlier turns as text, newest first: a text that is too long loses its end."""
    spoken = [f"question: {question} answer: {answer}" for question, answer in reversed(turns)]
    return " ".join(spoken).lower()
