"""Text summarization."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import clean_caption


def render(fields: Fields) -> Rendered:
    """The summary in lower case; its first word carries no leading space, as in the reference."""
    text, summary = clean_caption(str(fields["text"])), str(fields["summary"]).lower().strip()
    return Rendered(f' what is the summary of article " {text} "?', summary, [summary])


TASK = Task("summarize", ("text", "summary"), False, "none", "text", render)
