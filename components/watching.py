"""A training run as it is seen: the meter around its batches, the terminal, the trackers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from components.progress import show_progress
from components.tracking import track_run
from components.training.loop import BatchSource, LoopSettings
from components.training.meter import Meter, peak_flops
from components.training.step import Parts, StepReport


@contextmanager
def watch(
    source: BatchSource,
    settings: LoopSettings,
    *,
    label: str,
    run: str,
    device: str,
    trackers: Sequence[str],
    counts: Mapping[str, int],
    step_flops: Callable[[Parts], float] | None = None,
) -> Iterator[tuple[Meter, Callable[[int, StepReport], None]]]:
    """Yield the metered source, and a function that shows a step that has ended.

    The terminal is told each step, the ``trackers`` those of the log. ``counts`` of the material
    (dropped, truncated) stand beside. ``step_flops`` gives what a step's parts cost.
    """
    peak = peak_flops(device, settings.autocast)
    meter = Meter(
        source, device=device, window=settings.log_every, step_flops=step_flops, peak=peak
    )
    fixed = {name: f"{count:,}" for name, count in counts.items()}
    with (
        show_progress(label, settings.steps) as advance,
        track_run(trackers, run) as write,
    ):

        def show(step: int, report: StepReport) -> None:
            reading = meter.read(report)
            advance(step, f"loss {sum(report.losses):.3f}", {**reading.words(), **fixed})
            if settings.logs(step):
                write(step, {**reading.values(), **counts})

        yield meter, show
