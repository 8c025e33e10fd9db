"""Visual question answering: the question goes to the encoder and before the answer."""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import as_question, clean_question, num_words_cut

MAX_QUESTION_WORDS = 80


def render(fields: Fields) -> Rendered:
    """The question, ended by a question mark; the answer in lower case.

    Of several right answers the first is learnt, and a prediction is scored against all of them.
    """
    asked, given = str(fields["question"]), fields["answer"]
    question = as_question(clean_question(asked, MAX_QUESTION_WORDS))
    answers = [text.lower().strip() for text in ([given] if isinstance(given, str) else given)]
    num_cut = num_words_cut(asked, MAX_QUESTION_WORDS)
    return Rendered(
        f" {question}", f" {answers[0]}", answers, prefix=f" {question}", num_cut=num_cut
    )


TASK = Task("vqa", ("question", "answer"), True, "question", "candidates", render)
