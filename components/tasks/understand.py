"""Text understanding in the form of inference between two texts, or of a question about one.

Inference is the reference's wording. It has no other task of understanding in its code: a question
before its text is this project's wording, so that cutting a long text keeps the question.
"""

from __future__ import annotations

from components.tasks.base import Fields, Rendered, Task
from components.tasks.phrasing import clean_caption, num_words_cut


def render(fields: Fields) -> Rendered:
    """Whether the premise implies the hypothesis; where that ends by ``?``, its answer.

    The decoder reads the whole source and answers at its last position (the reference's
    prompt type ``src``).
    """
    premise = clean_caption(str(fields["premise"]))
    hypothesis = clean_caption(str(fields["hypothesis"]))
    label = str(fields["label"]).lower().strip()  # as answer sets have it
    if hypothesis.endswith("?"):
        source = f' {hypothesis} text1 " {premise} "'
    else:
        source = f' can text1 " {premise} " imply text2 " {hypothesis} "?'
    num_cut = sum(num_words_cut(str(fields[name])) for name in ("premise", "hypothesis"))
    return Rendered(source, f" {label}", [label], num_cut=num_cut)


TASK = Task("understand", ("premise", "hypothesis", "label"), False, "source", "candidates", render)
