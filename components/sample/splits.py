"""How the sample world shares out its images and records."""

from __future__ import annotations

SHARES = {"validation": 0.10, "test": 0.15}


def cut_splits(num: int) -> dict[str, range]:
    """Numbers from 1 to ``num``: about 75 % train, 10 % validation, 15 % test, none empty.

    Raises ValueError when there are fewer than three to share.
    """
    if num < 3:
        raise ValueError(f"{num} records cannot fill train, validation and test")
    num_validation = max(1, round(num * SHARES["validation"]))
    num_test = max(1, round(num * SHARES["test"]))
    num_train = num - num_validation - num_test
    return {
        "train": range(1, num_train + 1),
        "validation": range(num_train + 1, num_train + num_validation + 1),
        "test": range(num_train + num_validation + 1, num + 1),
    }
