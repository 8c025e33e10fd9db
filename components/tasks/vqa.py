"""Visual question answering: the question goes to the encoder and before the answer."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import as_question, clean_question, num_words_cut

MAX_QUESTION_WORDS = 80


def render(fields: Fields) -> Rendered:
    """The question, ended by a question mark; the answer in lower case."""
    question = as_question(clean_question(str(fields["question"]), MAX_QUESTION_WORDS))
    answer = str(fields["answer"]).lower().strip()
    num_cut = num_words_cut(str(fields["question"]), MAX_QUESTION_WORDS)
    return Rendered(f" {question}", f" {answer}", [answer], prefix=f" {question}", num_cut=num_cut)


TASK = Task("vqa", ("question", "answer"), True, "question", "candidates", render)
