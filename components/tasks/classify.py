"""Image classification: the class is named in words."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.caption import PROMPT


def render(fields: Fields) -> Rendered:
    """The class name, in lower case."""
    label = str(fields["label"]).lower().strip()
    return Rendered(PROMPT, f" {label}", [label])


TASK = Task("classify", ("label",), True, "none", "candidates", render)
