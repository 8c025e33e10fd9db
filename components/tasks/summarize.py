"""Text summarization."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import clean_caption, num_words_cut


def render(fields: Fields) -> Rendered:
    """The summary in lower case; its first word carries no leading space, as in the reference."""
    text, summary = clean_caption(str(fields["text"])), str(fields["summary"]).lower().strip()
    source = f' what is the summary of article " {text} "?'
    return Rendered(source, summary, [summary], num_cut=num_words_cut(str(fields["text"])))


TASK = Task("summarize", ("text", "summary"), False, "none", "text", render)
