"""What does not match in a checkpoint, and which of it a person accepts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from components.errors import UserError

MAX_SHOWN = 20
HEADS = "classification_heads"
Shape = tuple[int, ...]

# What may be accepted as a group; anything else by the name that the message gives.
TOLERANCES = {
    "tied_copies": "copies of the token matrix that differ from it: the encoder's is kept",
    "derived_tables": "tables of positions that differ from ours: ours are used",
    HEADS: "heads for classification, which this model lacks: left out",
    "batch_counts": "batch counters that frozen batch norms lack: set to 0",
    "short_image_positions": "too few image positions: the rest is drawn at random",
    "long_vocabulary": "one token above the released vocabulary: the last row is left out",
}


@dataclass(frozen=True)
class Fault:
    """One thing that does not match: ``kind`` sorts it, ``name`` or ``tolerance`` accepts it."""

    kind: str
    name: str
    words: str
    tolerance: str = ""

    def is_accepted(self, accept: Collection[str]) -> bool:
        """Whether its name or its group was named."""
        return self.name in accept or self.tolerance in accept


def compare_names(wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> list[Fault]:
    """Missing, unexpected and mis-shaped tensors."""
    faults = [
        Fault("missing", name, "missing", _group(name, "num_batches_tracked", "batch_counts"))
        for name in sorted(wanted.keys() - found.keys())
    ]
    faults += [
        Fault("unexpected", name, "unexpected", _group(name, HEADS, HEADS))
        for name in sorted(found.keys() - wanted.keys())
    ]
    faults += [
        Fault("shape", name, f"has shape {list(found[name])}, not {list(wanted[name])}")
        for name in sorted(wanted.keys() & found.keys())
        if wanted[name] != found[name]
    ]
    return faults


def _group(name: str, part: str, tolerance: str) -> str:
    return tolerance if part in name.split(".") else ""


def judge(faults: Iterable[Fault], accept: Collection[str], file: str) -> None:
    """UserError that lists every fault that was not accepted.

    And where a name was accepted that no fault has: most likely it is mistyped, and the person
    believes that something was looked at which is not there.
    """
    found = list(faults)
    open_ones = [fault for fault in found if not fault.is_accepted(accept)]
    if not open_ones:
        _refuse_needless(set(accept) - set(TOLERANCES) - {fault.name for fault in found}, file)
        return
    shown = [f"{fault.name}: {fault.words}" for fault in open_ones[:MAX_SHOWN]]
    if len(open_ones) > MAX_SHOWN:
        shown.append(f"and {len(open_ones) - MAX_SHOWN} more")
    names = dict.fromkeys(fault.tolerance or fault.name for fault in open_ones)
    first, *others = names
    raise UserError(
        f"{file} does not match: {len(open_ones)} faults",
        why="; ".join(shown),
        next_command=f"find a checkpoint that matches, or accept each by its name: --accept {first}"
        + (f" and {len(others)} more names" if others else ""),
    )


def _refuse_needless(names: Collection[str], file: str) -> None:
    if names:
        raise UserError(
            f"{file}: --accept {sorted(names)[0]} accepts nothing",
            why=f"nothing of that name is wrong with it; the groups are: {', '.join(TOLERANCES)}",
            next_command="leave it out, or mend its name",
        )
