"""A page that can be sent by mail: answers, then evidence pictures, are left out until it is small.

What was left out is told on the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from components.report.inputs import ReportInputs, Sample

MAX_BYTES = 5_000_000


def fit_budget(
    inputs: ReportInputs, render: Callable[[ReportInputs], str], max_bytes: int = MAX_BYTES
) -> str:
    """The page of as many samples as fit, the same share of each data set's.

    Without any it may still be too large; then its pictures of overlaps go as well. What remains is
    numbers, which are all kept.
    """
    page = render(inputs)
    while (excess := len(page.encode()) - max_bytes) > 0 and inputs.samples:
        inputs = _thin(inputs, excess)
        page = render(inputs)
    if len(page.encode()) > max_bytes and inputs.overlap_pictures:
        page = render(replace(inputs, overlap_pictures={}))
    return page


def _thin(inputs: ReportInputs, excess: int) -> ReportInputs:
    """The same without about so many bytes of samples, one at least."""
    weight = sum(_weigh(sample) for sample in inputs.samples)
    kept = keep_share(inputs.samples, max(0.0, 1 - 1.05 * excess / weight))
    num_cut = inputs.num_samples_cut + len(inputs.samples) - len(kept)
    return replace(inputs, samples=kept, num_samples_cut=num_cut)


def keep_share(samples: Sequence[Sample], share: float) -> list[Sample]:
    """The first of each data set: fewer than there were, and as many of a set as its share is."""
    nums = Counter(sample.dataset for sample in samples)
    kept: list[Sample] = []
    seen: Counter[str] = Counter()
    for sample in samples:
        if seen[sample.dataset] < int(nums[sample.dataset] * share):
            kept.append(sample)
        seen[sample.dataset] += 1
    return kept


def _weigh(sample: Sample) -> int:
    """About the bytes that a sample takes in the page."""
    texts = [sample.question, sample.truth, sample.baseline]
    texts += [text for r in sample.replies for text in (r.answer, r.blank_answer or "")]
    picture = len(sample.image_jpeg or b"") * 4 // 3
    return picture + sum(len(text.encode()) for text in texts) + 500 * (2 + len(sample.replies))
