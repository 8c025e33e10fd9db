"""Following instructions about an image, with the conversation so far."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import clean_caption


def render(fields: Fields) -> Rendered:
    """Earlier turns, then the request; the reply in lower case.

    Laying turns out as text before the question is this project's proposal: the paper does not
    say how conversations became single examples.
    """
    history, request = str(fields.get("history", "")), clean_caption(str(fields["question"]))
    reply = clean_caption(str(fields["answer"]))
    source = f" {history} {request}" if history else f" {request}"
    return Rendered(source, f" {reply}", [reply])


TASK = Task("instruct", ("history", "question", "answer"), False, "none", "text", render)
