"""What can be scored without the image, from the training answers alone.

A model that does not beat these has learnt the answers' frequencies, not the task.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

from components.errors import UserError
from components.evaluation.rouge import rouge_l_f
from components.records import Example

Baseline = Callable[[Example], str]
NUM_CONSTANTS = 200
NUM_SAMPLED = 400


def fit_baseline(
    train_examples: Sequence[Example],
    kind: Literal["candidates", "options", "text"],
    seed: int = 0,
) -> Baseline:
    """The baseline for a task's kind of answer (components.tasks.base.Task.answer).

    ``candidates``: the majority answer to the same question, else to the category, else of all.
    ``options``: the option that was most often right, else the first. ``text``: the one training
    target with the highest mean ROUGE-L over training targets. Ties go to the answer that is more
    frequent, then first in the alphabet. UserError when there is nothing to learn from.
    """
    if not train_examples:
        raise UserError(
            "no training example to fit a baseline on",
            why="a score without a baseline cannot be judged",
            next_command="look at the data set's manifest.json and quarantine.parquet",
        )
    if kind == "candidates":
        return _fit_majority(train_examples)
    if kind == "options":
        return _fit_options(train_examples)
    constant = find_best_constant([example.target for example in train_examples], seed)
    return lambda _: constant


def _fit_majority(examples: Sequence[Example]) -> Baseline:
    overall = Counter(example.target for example in examples)
    by_question: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_category: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        by_question[example.source][example.target] += 1
        by_category[example.category][example.target] += 1

    def majority(answers: Counter[str]) -> str:
        return min(answers, key=lambda answer: (-answers[answer], -overall[answer], answer))

    questions = {question: majority(answers) for question, answers in by_question.items()}
    categories = {category: majority(answers) for category, answers in by_category.items()}
    most_frequent = majority(overall)

    def answer(example: Example) -> str:
        known = questions.get(example.source) or categories.get(example.category)
        return known or most_frequent

    return answer


def _fit_options(examples: Sequence[Example]) -> Baseline:
    right = Counter(example.target for example in examples)

    def answer(example: Example) -> str:
        # max keeps the first of equals, so an unseen set of options gives the first option.
        return max(example.candidates, key=lambda option: right[option], default="")

    return answer


def find_best_constant(targets: Sequence[str], seed: int = 0) -> str:
    """The target with the highest mean ROUGE-L F-measure over a sample of the targets.

    Looked for among the most frequent targets, filled up with random ones to NUM_CONSTANTS.
    """
    from rouge_score.tokenizers import DefaultTokenizer

    generator = random.Random(seed)
    counts = Counter(targets)
    distinct = sorted(counts, key=lambda text: (-counts[text], text))
    repeated = [text for text in distinct if counts[text] > 1][:NUM_CONSTANTS]
    single = distinct[len(repeated) :]
    filled = generator.sample(single, min(NUM_CONSTANTS - len(repeated), len(single)))
    sampled = generator.sample(list(targets), min(NUM_SAMPLED, len(targets)))
    tokenizer = DefaultTokenizer(use_stemmer=True)
    words = {text: tokenizer.tokenize(text) for text in {*repeated, *filled, *sampled}}
    totals = {
        text: sum(rouge_l_f(words[text], words[other]) for other in sampled)
        for text in [*repeated, *filled]
    }
    return min(totals, key=lambda text: (-totals[text], -counts[text], text))
