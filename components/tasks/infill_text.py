"""Text infilling, of pretraining: the whole text, of which words are masked."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task

PROMPT = ' what is the complete text of " "?'


def render(fields: Fields) -> Rendered:
    """The text as it is: it is cut into windows, lower-cased and masked when it is drawn."""
    return Rendered(PROMPT, f" {fields['text']}", [])


TASK = Task("infill_text", ("text",), False, "none", "text", render)
