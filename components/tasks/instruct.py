"""Following instructions about an image, with the conversation so far."""

from __future__ import annotations

from components.tasks.base import TURN, Fields, Rendered, Task
from components.tasks.phrasing import clean_caption, num_words_cut

EARLIER = " earlier: "  # stands before the history in a source


def render(fields: Fields) -> Rendered:
    """The request, then earlier turns, newest first; the reply in lower case.

    Laying turns out as text is this project's proposal: the paper does not say how conversations
    became single examples. The request stands first, so that cutting a long history keeps it.
    An answer that is a list is the rest of the conversation: replies, with the later requests
    between them. The reference is then the first reply.
    """
    history, asked, answer = str(fields.get("history", "")), fields["question"], fields["answer"]
    request = clean_caption(str(asked))
    turns = answer if isinstance(answer, list) else [answer]
    target = TURN.join(f" {clean_caption(turn)}" for turn in turns)
    source = f" {request}{EARLIER}{history}" if history else f" {request}"
    num_cut = sum(num_words_cut(text) for text in (str(asked), *turns))
    return Rendered(source, target, [clean_caption(turns[0])], num_cut=num_cut)


TASK = Task("instruct", ("history", "question", "answer"), False, "turns", "text", render)
