"""Image captioning."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import remove_punctuation

PROMPT = " what does the image describe?"


def render(fields: Fields) -> Rendered:
    """The caption without punctuation, in its own case."""
    caption = remove_punctuation(str(fields["caption"]))
    return Rendered(PROMPT, f" {caption}", [caption])


TASK = Task("caption", ("caption",), True, "none", "text", render)
