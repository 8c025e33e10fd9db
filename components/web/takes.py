"""What the served model can be given, by its kind of task."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.schema import Section
from components.serving.looking import grey_image
from components.serving.requests import INSTRUCT, QUESTIONS, TEXTS, Request
from components.serving.served import ServedModel

EARLIER = "history"
TEXT_LABELS = {
    "context": "What the question is about",
    "premise": "The text that the statement is held against",
    "text": "The text to summarize",
    EARLIER: "What was said before",
}


class Takes(Section):
    """What a request may hold. ``text_is`` says in words what the text stands for."""

    image: Literal["needed", "optional", "none"]
    question: bool = Field(description="whether a question is needed; else none is taken")
    text: bool
    text_is: str
    options: bool = Field(description="whether a request lists the answers to choose among")
    history: bool = Field(description="whether the text is the conversation so far")


def list_takes(model: ServedModel) -> Takes:
    """What a model takes."""
    fields = model.task.fields[:-1]  # the last one is what is to be said
    text = next((name for name in TEXTS if name in fields), "")
    image: Literal["needed", "optional", "none"] = "none"
    if model.task.needs_image or model.task.name == INSTRUCT:
        image = "needed" if model.task.needs_image else "optional"
    return Takes(
        image=image,
        question=any(name in fields for name in QUESTIONS),
        text=bool(text),
        text_is=TEXT_LABELS.get(text, ""),
        options="options" in fields or model.task.name == INSTRUCT,
        history=text == EARLIER,
    )


def make_rehearsal(takes: Takes) -> Request:
    """A request that holds all that a model takes, and means nothing."""
    return Request(
        grey_image() if takes.image != "none" else None,
        "What is seen?" if takes.question else "",
        "A text." if takes.text and not takes.history else "",
        ["yes", "no"] if takes.options else [],
    )
