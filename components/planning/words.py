"""A bill and what is missing, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.planning.bill import MODES, Bill, KindCost
from components.planning.missing import Missing

LABEL, NUMBER = 31, 10
RESERVE = 0.9  # of a GPU's memory: the rest is CUDA's own and lost between blocks


def tell_bill(bill: Bill, title: str, gpus: int) -> Iterator[str]:
    """Parameters, a step, memory, time and money, storage."""
    yield title
    yield ""
    yield f"{'parameters':<{LABEL}}{sum(bill.parameters.values()):>15,}"
    for part, num in bill.parameters.items():
        yield f"  {part:<{LABEL - 2}}{num:>15,}"
    yield f"  {'of these trained':<{LABEL - 2}}{bill.trained:>15,}"
    yield ""
    told = ", ".join(f"{s.samples:,} {s.name}" for s in bill.streams)
    yield f"{'a step':<{LABEL}}{told}"
    yield f"{'':<{LABEL}}{bill.step_tokens:,} positions, {bill.step_flops / 1e12:,.2f} TFLOP"
    tokens = bill.seeds * bill.steps * bill.step_tokens
    steps = f"{bill.steps:,} steps" + (f" of each of {bill.seeds} seeds" if bill.seeds > 1 else "")
    yield f"{'the run':<{LABEL}}{steps}, {tokens / 1e9:,.3f} billion positions"
    yield ""
    yield from _tell_memory(bill, gpus)
    yield ""
    yield from _tell_cost(bill, gpus)
    yield ""
    yield (
        f"{'to store':<{LABEL}}{_size(bill.product_bytes)} the model, "
        f"{_size(bill.checkpoint_bytes)} checkpoints "
        f"({bill.checkpoints} {'of each seed ' * (bill.seeds > 1)}are kept, one is being written)"
    )


def _tell_memory(bill: Bill, gpus: int) -> Iterator[str]:
    """A column per mode, a row per part."""
    parts = dict.fromkeys(part for memory in bill.memory.values() for part in memory)
    yield f"{'memory of one GPU of ' + str(gpus):<{LABEL}}" + "".join(
        f"{mode.replace('checkpointing', 'ckpt'):>{NUMBER + 4}}" for mode in MODES
    )
    for part in parts:
        cells = (memory.get(part, 0) for memory in bill.memory.values())
        yield f"  {part:<{LABEL - 2}}" + "".join(f"{_size(cell):>{NUMBER + 4}}" for cell in cells)
    totals = [sum(memory.values()) for memory in bill.memory.values()]
    yield f"  {'together':<{LABEL - 2}}" + "".join(f"{_size(t):>{NUMBER + 4}}" for t in totals)
    for cost in bill.kinds:
        room = RESERVE * cost.gpu.memory_gb * 1e9
        cells_told = ("fits" if total <= room else "too large" for total in totals)
        yield f"  {'on ' + cost.name:<{LABEL - 2}}" + "".join(
            f"{cell:>{NUMBER + 4}}" for cell in cells_told
        )


def _tell_cost(bill: Bill, gpus: int) -> Iterator[str]:
    heads = ("GPU-hours", "hours", "kWh", "USD")
    yield f"{'time on ' + str(gpus) + ' GPUs':<{LABEL}}" + "".join(f"{h:>{NUMBER}}" for h in heads)
    for cost in bill.kinds:
        numbers = (cost.gpu_hours, cost.wall_hours, cost.kwh, cost.usd)
        yield f"  {cost.name:<{LABEL - 2}}" + "".join(f"{_number(n):>{NUMBER}}" for n in numbers)
    yield f"  {'with activation checkpointing':<{LABEL - 2}}{bill.recomputed:>+{NUMBER}.0%} of each"
    if bill.busy < 1:
        yield f"  {bill.busy:.0%} of the GPUs have work: a step's micro-batches do not go round"


def tell_missing(missing: Sequence[Missing]) -> Iterator[str]:
    """What is not there, with the command for it."""
    if not missing:
        yield "every input is there"
        return
    yield f"{len(missing)} inputs are missing"
    width = max(len(item.what) for item in missing)
    for item in missing:
        yield f"  {item.what:<{width}}  -> {item.command}"


def tell_assumptions(kinds: Sequence[KindCost], precision: str, *, is_known: bool) -> Iterator[str]:
    """What the numbers rest on."""
    rates = ", ".join(
        f"{k.name} {k.gpu.mfu:.0%} of {k.gpu.tflops:.0f} TFLOP/s, {k.gpu.watts:.0f} W, "
        f"{k.gpu.usd_per_hour:.2f} USD/h"
        for k in kinds
    )
    yield "assumed:"
    yield f"  {rates} (plan.gpus in params.yaml; not measured)"
    yield "  every text as long as its limit, so that time is an upper bound; data never waited for"
    yield "  looks at held-out examples (validate_every) are not in the time"
    yield "  communication is part of the utilisation; energy and rent are those of the GPUs alone"
    yield f"  {1 - RESERVE:.0%} of a GPU's memory for CUDA itself and gaps between blocks"
    yield "  fsdp splits the layers; token matrix, image trunk and positions stay whole"
    if precision == "float32":
        yield "  compute.precision is float32, which GPUs do far slower than the rate above"
    if not is_known:
        yield "  the vocabulary's size is that of build_vocabulary: it is not built yet"


def _size(num: float) -> str:
    if not num:
        return "-"
    return f"{num / 1e9:,.1f} GB" if num >= 1e8 else f"{num / 1e6:,.1f} MB"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}" if value >= 0.1 else f"{value:.1g}"
