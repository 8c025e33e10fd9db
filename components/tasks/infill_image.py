"""Image infilling, of pretraining: the codes of an image's hidden middle."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task

PROMPT = " what is the image in the middle part?"


def render(_: Fields) -> Rendered:
    """Nothing but the question: the target is codes, which tokenize_images makes of the image."""
    return Rendered(PROMPT, "", [])


TASK = Task("infill_image", (), True, "none", "text", render)
