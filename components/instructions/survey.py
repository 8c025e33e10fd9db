"""Counts over conversations while they pass: how they are written, what they lack, what they claim.

What is named one by one goes into three lists beside the examples, in JSON lines:
``missing_images.jsonl``, ``unsupported.jsonl`` and ``parts.jsonl``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.instructions.conversations import Conversation
from components.instructions.evidence import RULES, find_unsupported
from components.instructions.images import FOLDER, KEYS
from components.instructions.parts import Parts
from components.lineage import QUARANTINE
from components.readers.json_rows import read_json_records
from components.records import Reject, read_records

SUMMARY = "summary.json"
NOT_BROUGHT = "not-at-hand"  # nobody tried to fetch it
NOT_RECORDED = "not recorded"  # the licence of an image that was not fetched here
NUM_SHOWN = 5  # of records without a label, and of claims by each rule
LONGEST_TEXT = 600


@dataclass
class Survey:
    """What has been seen so far. ``losses``: why acquire could not bring an image, by its name."""

    losses: Mapping[str, Reject] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    num: Counter[str] = field(default_factory=Counter)
    variants: Counter[str] = field(default_factory=Counter)
    pairs: Counter[int] = field(default_factory=Counter)
    modalities: Counter[str] = field(default_factory=Counter)
    unlabelled: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, dict[str, Any]] = field(default_factory=dict)
    licence_of: dict[str, str] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)  # replies with a text, by modality
    flagged: Counter[str] = field(default_factory=Counter)

    def add(self, talk: Conversation) -> set[int]:
        """Count one conversation; the numbers of its pairs that assert what their text does not."""
        self.num["conversations"] += 1
        self.variants.update(talk.variants)
        self.pairs[len(talk.pairs)] += 1
        self.modalities[talk.modality] += 1
        if talk.unlabelled:
            self.unlabelled.setdefault(talk.unlabelled, []).append(talk.origin)
        self._add_images(talk)
        return self._check_replies(talk)

    def _add_images(self, talk: Conversation) -> None:
        self.num["with_image"] += talk.image is not None
        self.num["without_image"] += talk.image is None
        if talk.image is not None:
            name = talk.image.name
            self.licence_of[name] = self.licences.get(name) or NOT_RECORDED
        for name in talk.lacking:
            loss = self.losses.get(name, Reject(name, NOT_BROUGHT))
            row = {"image": name, "pair_id": talk.key, "graphic_ref": talk.graphic}
            why = {"reason": loss.reason, "detail": loss.detail, "origin": talk.origin}
            self.missing.setdefault(name, {**row, **why, "conversations": 0})["conversations"] += 1

    def _check_replies(self, talk: Conversation) -> set[int]:
        text = " ".join([talk.caption, *talk.mentions]).strip()
        found: set[int] = set()
        for number, pair in enumerate(talk.pairs):
            if isinstance(pair, str):
                continue
            self.num["replies"] += 1
            if not text:
                continue
            self.checked[talk.modality] += 1
            claims = find_unsupported(pair[1], text, talk.modality)
            self.flagged[talk.modality] += bool(claims)
            for claim in claims:
                found.add(number)
                what = {"rule": claim.rule, "term": claim.term, "sentence": claim.sentence}
                where = {"origin": f"{talk.origin}.{number}", "modality": talk.modality}
                self.claims.append({**where, **what, "text": text[:LONGEST_TEXT]})
        return found

    def summarize(self, parts: Parts, stated: Mapping[str, str]) -> dict[str, Any]:
        """For JSON; ``stated`` are the licences that different places give."""
        reasons = Counter(row["reason"] for row in self.missing.values())
        return {
            "conversations": self.num["conversations"],
            "pairs": {str(pairs): num for pairs, num in sorted(self.pairs.items())},
            "variants": _ranked(self.variants),
            "modalities": _ranked(self.modalities),
            "unlabelled": {
                why: {"conversations": len(origins), "examples": origins[:NUM_SHOWN]}
                for why, origins in sorted(self.unlabelled.items())
            },
            "images": {
                "with_image": self.num["with_image"],
                "without_image": self.num["without_image"],
                "missing": len(self.missing),
                "reasons": _ranked(reasons),
                "licences": _ranked(Counter(self.licence_of.values())),
            },
            "licences": dict(stated),
            "parts": parts.summarize(),
            "unsupported": self._summarize_claims(),
        }

    def _summarize_claims(self) -> dict[str, Any]:
        by_rule = {rule: [c for c in self.claims if c["rule"] == rule] for rule in RULES}
        return {
            "replies": self.num["replies"],
            "checked": self.checked.total(),
            "flagged": self.flagged.total(),
            "by_rule": {rule: len(claims) for rule, claims in by_rule.items()},
            "by_modality": {
                name: {"checked": num, "flagged": self.flagged[name]}
                for name, num in sorted(self.checked.items())
            },
            "examples": [claim for claims in by_rule.values() for claim in claims[:NUM_SHOWN]],
        }

    def write(self, folder: Path, parts: Parts, stated: Mapping[str, str]) -> dict[str, Any]:
        """Write summary and lists; returns the summary."""
        folder.mkdir(parents=True, exist_ok=True)
        summary = self.summarize(parts, stated)
        (folder / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n")
        missing = [self.missing[name] for name in sorted(self.missing)]
        _write_lines(folder / "missing_images.jsonl", missing)
        _write_lines(folder / "unsupported.jsonl", self.claims)
        _write_lines(folder / "parts.jsonl", parts.rows())
        return summary


def start_survey(raw: Path) -> Survey:
    """A survey that knows what acquire wrote beside the conversations: losses and licences."""
    quarantine, keys = raw / QUARANTINE, raw / KEYS
    lost = read_records(quarantine, Reject) if quarantine.is_file() else ()
    rows = read_json_records(keys, keys.name) if keys.is_file() else ()
    fetched = [row for _, row in rows if not isinstance(row, Reject)]
    return Survey(
        losses={reject.origin.removeprefix(f"{FOLDER}/"): reject for reject in lost},
        licences={str(row["image"]): str(row.get("licence") or "") for row in fetched},
    )


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
