"""The sample browser: what can be filtered by, and the order that items are first shown in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from components.report.inputs import ReportInputs, Sample

FIRST_SHOWN = 12  # a page of answers; report.css and samples.js turn pages of it


@dataclass(frozen=True, slots=True)
class Browser:
    """Items with the place that each has, the choices of each filter, and what is not shown."""

    samples: list[Sample]
    datasets: list[tuple[str, str]]  # name and title
    modalities: list[str]
    sizes: list[str]
    withheld: list[str]  # titles of data sets of which nothing may be shown


def view_samples(inputs: ReportInputs) -> Browser:
    """The first item of each data set, then the second of each, and so on: a page shows many."""
    seen: Counter[str] = Counter()
    placed: list[tuple[int, Sample]] = []
    for sample in inputs.samples:
        placed.append((seen[sample.dataset], sample))
        seen[sample.dataset] += 1
    answered = {reply.size for sample in inputs.samples for reply in sample.replies}
    return Browser(
        samples=[sample for _, sample in sorted(placed, key=lambda pair: pair[0])],
        datasets=[(name, inputs.title(name)) for name in seen],
        modalities=sorted({sample.modality for sample in inputs.samples if sample.modality}),
        sizes=[size for size in inputs.params.sizes if size in answered],
        withheld=[inputs.title(name) for name in inputs.params.datasets if inputs.withholds(name)],
    )
