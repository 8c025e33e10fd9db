"""How long an interval takes: 10,000 resamples over 10,000 rows, beside SciPy's bootstrap.

    python benchmarks/bootstrap.py [--write]

Asked for under a second on two cores, for what evaluation asks most: a mean and a paired difference
of means. SciPy draws the same kind of resamples of rows, so that both intervals must agree to the
noise of drawing. Times are medians of REPEATS, of one process and one thread.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from datetime import datetime

import numpy as np
from results import show
from scipy.stats import bootstrap as scipy_bootstrap

from components.evaluation.intervals import (
    Interval,
    bootstrap,
    bootstrap_mean,
    find_groups,
)
from components.evaluation.metrics import METRICS
from components.evaluation.pooling import Answers

ROWS, RESAMPLES, REPEATS = 10_000, 10_000, 5
NAMES = [f"{i:05d}" for i in range(ROWS)]
CLASSES = [f"class {i}" for i in range(9)]
SCIPY_BATCH = 100  # of 10,000 rows: 8 MB


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="add the table to RESULTS.md")
    write = parser.parse_args().write
    generator = np.random.default_rng(1)
    first, second = (100.0 * (generator.random(ROWS) < share) for share in (0.7, 0.6))
    how = {"resamples": RESAMPLES, "seed": 7}
    rows = [
        measure("mean of rows", lambda: bootstrap_mean(first, NAMES, **how)),
        measure("the same, SciPy", lambda: ask_scipy(first)),
        measure("paired difference", lambda: bootstrap_mean(first - second, NAMES, **how)),
        measure("mean of rows in 3,000 groups", lambda: bootstrap_mean(first, shared(), **how)),
        *(measure(name, lambda name=name: pooled(name)) for name in ("balanced_accuracy",
          "macro_f1")),
    ]  # fmt: skip
    lines = [
        f"### Intervals: {RESAMPLES:,} resamples over {ROWS:,} rows, "
        f"{datetime.now().astimezone():%Y-%m-%d}\n",
        f"`python benchmarks/bootstrap.py`, one thread ({platform.machine()}), medians of "
        f"{REPEATS}.\n",
        "| estimate | seconds | of the processor | value | 95 % interval |",
        "| --- | ---: | ---: | ---: | --- |",
        *(f"| {name} | {seconds:.2f} | {used:.2f} | {found.value:.2f} | {found.low:.2f} to "
          f"{found.high:.2f} |" for name, seconds, used, found in rows),
    ]  # fmt: skip
    show("\n".join(lines) + "\n", write)


def measure(name: str, ask: Callable[[], Interval]) -> tuple[str, float, float, Interval]:
    """The median times of REPEATS, by the clock and of the processor, with what was found."""
    clock, used = [], []
    for _ in range(REPEATS):
        begin, begin_used = time.perf_counter(), time.process_time()
        found = ask()
        clock.append(time.perf_counter() - begin)
        used.append(time.process_time() - begin_used)
    return name, statistics.median(clock), statistics.median(used), found


def ask_scipy(values: np.ndarray) -> Interval:
    """SciPy's percentile bootstrap of the mean."""
    found = scipy_bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, batch=SCIPY_BATCH, method="percentile",
        vectorized=True, rng=np.random.default_rng(7),
    ).confidence_interval  # fmt: skip
    return Interval(float(values.mean()), found.low, found.high, ROWS, ROWS)


def shared() -> list[str]:
    """Rows that share an image with one to many others."""
    return [f"{i:04d}" for i in np.random.default_rng(2).integers(0, 3000, ROWS)]


def pooled(name: str) -> Interval:
    """A metric that is no mean over rows, over nine classes of which most are answered rightly."""
    generator = np.random.default_rng(3)
    truth = generator.integers(0, len(CLASSES), ROWS)
    said = np.where(generator.random(ROWS) < 0.7, truth, generator.integers(0, len(CLASSES), ROWS))
    answers = Answers([CLASSES[i] for i in said], [[CLASSES[i]] for i in truth])
    groups = find_groups(NAMES)
    metric = METRICS[name]
    values = metric.score(answers.texts, answers.references)
    estimate = metric.pool(answers, values, groups)
    return bootstrap(estimate, groups, resamples=RESAMPLES, seed=7)


if __name__ == "__main__":
    main()
