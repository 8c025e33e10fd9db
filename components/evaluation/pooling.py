"""From what is known of each test item to a data set's value: means, F1 over classes, areas.

Each gives an estimate that the bootstrap can ask about any resample (components/evaluation/
intervals.py). Shape letters: B resamples, G groups, S samples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.errors import UserError
from components.evaluation.intervals import Estimate, Floats, Groups, estimate_mean

Texts = Sequence[str]


@dataclass(frozen=True, slots=True)
class Answers:
    """What is scored, item by item, in one order.

    ``references`` are accepted answers, the first of them the item's class. ``options`` are the
    log-probabilities of what could be answered, where that was kept (records.Prediction.options).
    """

    texts: Texts
    references: Sequence[Texts]
    options: Sequence[dict[str, float]] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The true class of each item: its first reference."""
        return [texts[0] for texts in self.references]

    def only(self, places: NDArray[np.intp]) -> Answers:
        """The same for some of the items."""
        return Answers(
            [self.texts[i] for i in places],
            [self.references[i] for i in places],
            [self.options[i] for i in places] if self.options else [],
        )


Pool = Callable[[Answers, Floats, Groups], Estimate]


def pool_mean(_: Answers, values_S: Floats, groups: Groups) -> Estimate:
    """The mean over samples."""
    return estimate_mean(values_S, groups)


def pool_class_mean(answers: Answers, values_S: Floats, groups: Groups) -> Estimate:
    """The mean over the true classes of each class's mean."""
    return estimate_mean(values_S, groups, answers.classes)


def pool_f1(average: str, normalise: Callable[[str], str]) -> Pool:
    """100 x F1 over classes, ``macro`` (classes alike) or ``weighted`` (by true items).

    A class is a normalised answer. As in scikit-learn's f1_score without labels, macro counts the
    classes that were true or answered in the resample; an F1 without either is 0.
    """

    def pool(answers: Answers, _: Floats, groups: Groups) -> Estimate:
        truth = [normalise(text) for text in answers.classes]
        said = [normalise(text) for text in answers.texts]
        names, index = np.unique(np.array([*truth, *said]), return_inverse=True)
        true_S, said_S = np.split(index, 2)
        right_S = true_S == said_S
        count = _counter(groups, len(names))
        true_GC, said_GC = count(true_S), count(said_S)
        right_GC = count(true_S, right_S.astype(np.float64))

        def estimate(w_BG: Floats) -> Floats:
            true_BC, said_BC = w_BG @ true_GC, w_BG @ said_GC
            both_BC = true_BC + said_BC
            f1_BC = np.divide(
                2 * (w_BG @ right_GC), both_BC, out=np.zeros_like(both_BC), where=both_BC > 0
            )
            weight_BC = true_BC if average == "weighted" else (both_BC > 0).astype(np.float64)
            pooled: Floats = 100 * (f1_BC * weight_BC).sum(1) / weight_BC.sum(1)
            return pooled

        return estimate

    return pool


def pool_auc(answers: Answers, _: Floats, groups: Groups) -> Estimate:
    """100 x area under the ROC curve; of several classes the mean over classes, one against rest.

    As MedMNIST's evaluator: with two classes that of the second one's probability, with more the
    mean of the classes' areas. Not a number where a class has no item, or all. UserError where the
    options' probabilities were not kept.
    """
    if len(answers.options) != len(answers.texts) or not all(answers.options):
        raise UserError(
            "an area under the curve needs the log-probability of every class",
            why="these answers were searched for as free text, or read from elsewhere",
            next_command="name another metric than auc in the data set's card",
        )
    names = sorted({name for options in answers.options for name in options})
    logs_SC = np.array([[own.get(n, -np.inf) for n in names] for own in answers.options])
    chances_SC = np.exp(logs_SC - logs_SC.max(1, keepdims=True))
    chances_SC /= chances_SC.sum(1, keepdims=True)
    truth_S = np.array([text.strip() for text in answers.classes])
    keys = [name.strip() for name in names]
    chosen = [1] if len(keys) == 2 else range(len(keys))
    areas = [_area(chances_SC[:, c], truth_S == keys[c], groups) for c in chosen]

    def estimate(w_BG: Floats) -> Floats:
        pooled: Floats = 100 * np.mean([area(w_BG) for area in areas], axis=0)
        return pooled

    return estimate


def _area(chance_S: Floats, positive_S: NDArray[np.bool_], groups: Groups) -> Estimate:
    """Share of (positive, negative) pairs in the right order, ties half (Mann and Whitney)."""
    _, level_S = np.unique(chance_S, return_inverse=True)
    count = _counter(groups, int(level_S.max()) + 1)
    positive_GL = count(level_S, positive_S.astype(np.float64))
    negative_GL = count(level_S, (~positive_S).astype(np.float64))

    def estimate(w_BG: Floats) -> Floats:
        positive_BL, negative_BL = w_BG @ positive_GL, w_BG @ negative_GL
        below_BL = np.cumsum(negative_BL, 1) - negative_BL / 2
        pairs_B = positive_BL.sum(1) * negative_BL.sum(1)
        right_B = (positive_BL * below_BL).sum(1)
        area: Floats = np.divide(
            right_B, pairs_B, out=np.full_like(right_B, np.nan), where=pairs_B > 0
        )
        return area

    return estimate


def _counter(groups: Groups, num_columns: int):  # type: ignore[no-untyped-def]
    """Counts samples by group and column as a sparse matrix (G, columns), each with a weight."""
    from scipy.sparse import csr_array  # 0.2 s to import

    def count(column_S: NDArray[np.intp], weight_S: Floats | None = None) -> csr_array:
        weight_S = np.ones(len(column_S)) if weight_S is None else weight_S
        shape = (groups.num, num_columns)
        return csr_array((weight_S, (groups.index_S, column_S)), shape=shape)

    return count
