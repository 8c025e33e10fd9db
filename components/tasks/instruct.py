"""Following instructions about an image, with the conversation so far."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import clean_caption, num_words_cut


def render(fields: Fields) -> Rendered:
    """The request, then earlier turns, newest first; the reply in lower case.

    Laying turns out as text is this project's proposal: the paper does not say how conversations
    became single examples. The request stands first, so that cutting a long history keeps it.
    """
    history, request = str(fields.get("history", "")), clean_caption(str(fields["question"]))
    reply = clean_caption(str(fields["answer"]))
    source = f" {request} earlier: {history}" if history else f" {request}"
    num_cut = sum(num_words_cut(str(fields[name])) for name in ("question", "answer"))
    return Rendered(source, f" {reply}", [reply], num_cut=num_cut)


TASK = Task("instruct", ("history", "question", "answer"), False, "none", "text", render)
