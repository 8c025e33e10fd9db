"""Question answering in text: options of its own, or yes, no and maybe about a context.

The reference has no such task; the wording is this project's. The question stands first, so that
cutting a long context keeps it.
"""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import as_question, clean_caption, num_words_cut

MAX_CONTEXT_WORDS = 400
OPTIONS, CONTEXT = " options: ", " context: "  # what stands behind the question


def render(fields: Fields) -> Rendered:
    """The answer in words; options, where there are any, become the record's candidates."""
    question = as_question(clean_caption(str(fields["question"])))
    told = str(fields.get("context", ""))
    context = clean_caption(told, MAX_CONTEXT_WORDS)
    num_cut = num_words_cut(str(fields["question"])) + num_words_cut(told, MAX_CONTEXT_WORDS)
    raw = fields.get("options", [])
    options = [_as_said(option) for option in raw] if isinstance(raw, list) else []
    answer = _as_said(str(fields["answer"]))
    source = f" {question}"
    if options:
        source += f"{OPTIONS}{', '.join(options)}"
    if context:
        source += f"{CONTEXT}{context}"
    candidates = [f" {option}" for option in options]
    return Rendered(source, f" {answer}", [answer], candidates=candidates, num_cut=num_cut)


def _as_said(option: str) -> str:
    """An option in lower case and single spaces, its signs kept: 1/2 is not 1 2, nor -2.5 2.5."""
    return " ".join(option.lower().split())


TASK = Task(
    "answer", ("question", "context", "options", "answer"), False, "none", "options", render
)
