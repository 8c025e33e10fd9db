"""What was found: the best evidence for each test item, kind and material, and how much more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from components.audit.kinds import IMAGE_KINDS, KINDS, TEXT_KINDS
from components.audit.material import Item
from components.records import Example, Overlap

SAYS_GROUP = ("same_pair", *IMAGE_KINDS, "same_document")  # who shares these shares a group
Key = tuple[str, str, str]  # kind, test item, material


@dataclass(frozen=True, slots=True)
class Finding:
    """The strongest of the overlaps that a test item has with one material, of one kind."""

    overlap: Overlap
    strength: float
    test: Example
    passage: str
    num_items: int = 1


class Findings:
    """Keeps the strongest evidence, counts the rest, and lists what is to be left out."""

    def __init__(self, dropped_kinds: Collection[str]) -> None:
        self.dropped_kinds = frozenset(dropped_kinds)
        self.best: dict[Key, Finding] = {}
        self.num_items: Counter[Key] = Counter()
        self.left_out: dict[tuple[str, str, str], Overlap] = {}

    def add(
        self,
        kind: str,
        test: Example,
        item: Item,
        evidence: str,
        *,
        strength: float = 1.0,
        shows_image: bool = False,
        passage: str = "",
    ) -> None:
        """Note that a training item shares with a test item what ``kind`` says."""
        image = item.image_id if shows_image else ""
        overlap = Overlap(kind, test.dataset, test.id, item.material, item.id, image, evidence)
        key = (kind, test.id, item.material)
        self.num_items[key] += 1
        if key not in self.best or strength > self.best[key].strength:
            self.best[key] = Finding(overlap, strength, test, passage)
        if kind in self.dropped_kinds:
            self.left_out.setdefault((kind, item.material, item.id), overlap)

    def list_all(self) -> list[Finding]:
        """Findings by kind, test set and material; of image and text kinds only the gravest.

        A shared group is not told where it follows from a shared image or article.
        """
        hidden: set[Key] = set()
        for _, test, material in self.best:
            for kinds in (IMAGE_KINDS, TEXT_KINDS):
                held = [kind for kind in kinds if (kind, test, material) in self.best]
                hidden |= {(kind, test, material) for kind in held[1:]}
            if any((kind, test, material) in self.best for kind in SAYS_GROUP):
                hidden.add(("same_group", test, material))
        order = {kind: number for number, kind in enumerate(KINDS)}
        kept = [(key, finding) for key, finding in self.best.items() if key not in hidden]
        kept.sort(key=lambda row: (order[row[0][0]], row[1].test.dataset, row[0][2], row[0][1]))
        return [
            Finding(f.overlap, f.strength, f.test, f.passage, self.num_items[key])
            for key, f in kept
        ]
