"""How well raters agree: Krippendorff's alpha, Fleiss' and Cohen's kappa.

Shape letters: R raters, U units (rated answers), C levels of a scale, B resamples, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from components.evaluation.intervals import Estimate, Floats, Groups

Ratings = NDArray[np.int_]  # (R, U): levels from 1, and 0 where a rater gave none


def estimate_alpha(ratings_RU: Ratings, num_levels: int, groups: Groups) -> Estimate:
    """Krippendorff's alpha of an ordinal scale (Computing Krippendorff's Alpha-Reliability, 2011).

    1 is agreement, 0 what chance gives. Units with one rating count for nothing. Not a number
    where all ratings are the same: without variation there is nothing to agree on.
    """
    counts_UC = count_levels(ratings_RU, num_levels)
    pairs_UCC = counts_UC[:, :, None] * counts_UC[:, None, :]
    pairs_UCC[:, range(num_levels), range(num_levels)] -= counts_UC
    pairs_UCC /= np.maximum(counts_UC.sum(1) - 1, 1)[:, None, None]
    observed_GCC = np.zeros((groups.num, num_levels, num_levels))
    np.add.at(observed_GCC, groups.index_S, pairs_UCC)

    def estimate(w_BG: Floats) -> Floats:
        observed_BCC = np.einsum("bg,gck->bck", w_BG, observed_GCC)
        totals_BC = observed_BCC.sum(2)
        middles_BC = totals_BC.cumsum(1) - totals_BC / 2  # of an ordinal scale, by the marginals
        distance_BCC = (middles_BC[:, :, None] - middles_BC[:, None, :]) ** 2
        found_B = (observed_BCC * distance_BCC).sum((1, 2))
        products_BCC = totals_BC[:, :, None] * totals_BC[:, None, :]
        by_chance_B = (products_BCC * distance_BCC).sum((1, 2)) / np.maximum(
            totals_BC.sum(1) - 1, 1
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            alpha_B: Floats = 1 - found_B / by_chance_B
        return alpha_B

    return estimate


def count_levels(ratings_RU: Ratings, num_levels: int) -> Floats:
    """How many raters gave each unit each level, (U, C)."""
    levels = np.arange(1, num_levels + 1)
    counts_UC: Floats = (ratings_RU[:, :, None] == levels).sum(0).astype(np.float64)
    return counts_UC


def fleiss_kappa(ratings_RU: Ratings, num_levels: int) -> float | None:
    """Fleiss' kappa (1971), levels as names without order, of units that all raters rated.

    None where no unit is, or all ratings are the same.
    """
    whole_RU = ratings_RU[:, (ratings_RU > 0).all(0)]
    num_raters, num_units = whole_RU.shape
    if not num_units or num_raters < 2:
        return None
    counts_UC = count_levels(whole_RU, num_levels)
    agreed = float(((counts_UC**2).sum(1) - num_raters).mean()) / (num_raters * (num_raters - 1))
    by_chance = float((counts_UC.mean(0) / num_raters) @ (counts_UC.mean(0) / num_raters))
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def cohen_kappas(
    ratings_RU: Ratings, num_levels: int, names: Sequence[str]
) -> dict[str, float | None]:
    """Cohen's kappa with quadratic weights (1968) of each two raters, over what both rated.

    Every level is named: of those that occur alone, 1 and 4 would be as near as 1 and 2.
    """
    from sklearn.metrics import cohen_kappa_score

    levels = range(1, num_levels + 1)
    found: dict[str, float | None] = {}
    for first, second in combinations(range(len(names)), 2):
        both_U = (ratings_RU[[first, second]] > 0).all(0)
        ours, theirs = ratings_RU[first, both_U], ratings_RU[second, both_U]
        varied = len(np.unique([*ours, *theirs])) > 1
        kappa = (
            cohen_kappa_score(ours, theirs, labels=levels, weights="quadratic") if varied else None
        )
        found[f"{names[first]} and {names[second]}"] = None if kappa is None else float(kappa)
    return found
