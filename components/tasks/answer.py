"""Question answering in text: options of its own, or yes, no and maybe about a context.

The reference has no such task; the wording is this project's. The question stands first, so that
cutting a long context keeps it.
"""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import as_question, clean_caption


def render(fields: Fields) -> Rendered:
    """The answer in words; options, where there are any, become the record's candidates."""
    question = as_question(clean_caption(str(fields["question"])))
    context = clean_caption(str(fields.get("context", "")), max_words=400)
    raw = fields.get("options", [])
    options = [clean_caption(option) for option in raw] if isinstance(raw, list) else []
    answer = clean_caption(str(fields["answer"]))
    source = f" {question}"
    if options:
        source += f" options: {', '.join(options)}"
    if context:
        source += f" context: {context}"
    return Rendered(source, f" {answer}", [answer], candidates=[f" {o}" for o in options])


TASK = Task(
    "answer", ("question", "context", "options", "answer"), False, "none", "options", render
)
