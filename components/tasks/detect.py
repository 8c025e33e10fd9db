"""Detection, of pretraining: which objects an image shows, and where."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import clean_caption

PROMPT = " what are the objects in the image?"


def render(fields: Fields) -> Rendered:
    """The labels in their order, each a reference; location bins follow from the boxes later.

    A box moves with its image (see dataset/jitter.py), so that its bins are known when it is drawn.
    """
    found = fields["labels"]
    labels = [clean_caption(label) for label in ([found] if isinstance(found, str) else found)]
    return Rendered(PROMPT, "".join(f" {label}" for label in labels), labels)


TASK = Task("detect", ("labels",), True, "none", "text", render)
