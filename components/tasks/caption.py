"""Image captioning."""

from __future__ import annotations

import sys

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import remove_punctuation

PROMPT = " what does the image describe?"


def render(fields: Fields) -> Rendered:
    """The caption without punctuation, in its own case."""
    caption = remove_punctuation(str(fields["caption"]))
    whole = remove_punctuation(str(fields["caption"]), max_words=sys.maxsize)
    num_cut = len(whole.split(" ")) - len(caption.split(" "))
    return Rendered(PROMPT, f" {caption}", [caption], num_cut=num_cut)


TASK = Task("caption", ("caption",), True, "none", "text", render)
