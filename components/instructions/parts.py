"""The published parts of BioMed-VITAL (60K, 80K, 150K, 210K): which records are in which.

A conversation is the same where images and turns are; ids and captions may differ.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from components.instructions.images import name_images
from components.instructions.variants import IMAGE_MARK
from components.readers.json_rows import read_json_records
from components.records import Reject

NUM_REPEATED = 5  # of a file's repeated conversations, so many are named in the summary


@dataclass
class Parts:
    """Where each conversation stands: its fingerprint to (file, record number), in file order."""

    names: list[str]
    num_records: list[int]
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def summarize(self) -> dict[str, Any]:
        """For each file its records and repetitions; for each set of files what only they share."""
        held = Counter(self._files(places) for places in self.places.values())
        pairs = {
            pair: sum(num for files, num in held.items() if {*pair} <= {*files})
            for pair in combinations(self.names, 2)
        }
        return {
            "files": [self._describe(place) for place in range(len(self.names))],
            "shared": [{"files": [*pair], "conversations": num} for pair, num in pairs.items()],
            "held_by": [
                {"files": [*files], "conversations": num}
                for files, num in sorted(held.items(), key=lambda item: (-item[1], item[0]))
            ],
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each conversation: its fingerprint, and its records in each file."""
        for fingerprint, places in sorted(self.places.items(), key=lambda item: item[1]):
            records: dict[str, list[int]] = {}
            for file, number in places:
                records.setdefault(self.names[file], []).append(number)
            yield {"conversation": fingerprint, "records": records}

    def _files(self, places: list[tuple[int, int]]) -> tuple[str, ...]:
        return tuple(self.names[file] for file in sorted({file for file, _ in places}))

    def _describe(self, place: int) -> dict[str, Any]:
        own = [[n for file, n in places if file == place] for places in self.places.values()]
        repeated = [numbers for numbers in own if len(numbers) > 1]
        name = self.names[place]
        return {
            "file": name,
            "records": self.num_records[place],
            "conversations": sum(bool(numbers) for numbers in own),
            "repeated": sum(len(numbers) - 1 for numbers in repeated),
            "examples": [f"{name}#{n[0]} and #{n[1]}" for n in repeated[:NUM_REPEATED]],
        }


def compare_parts(paths: list[Path]) -> Parts:
    """The files, the smallest first; memory holds one of them, and a fingerprint per conversation.

    Records that are broken count as records of their file and stand nowhere else.
    """
    paths = sorted(paths, key=lambda path: (path.stat().st_size, path.name))
    parts = Parts([path.name for path in paths], [0] * len(paths))
    for file, path in enumerate(paths):
        for number, record in read_json_records(path, path.name):
            parts.num_records[file] += 1
            if not isinstance(record, Reject) and isinstance(record.get("conversations"), list):
                parts.places.setdefault(fingerprint(record), []).append((file, number))
    return parts


def fingerprint(record: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of a sha256 over images and turns, spaces and image marks apart."""
    content = [name_images(record), [_said(turn) for turn in record["conversations"]]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _said(turn: Any) -> Any:
    if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
        return turn
    return [turn.get("from"), " ".join(turn["value"].replace(IMAGE_MARK, " ").split())]
