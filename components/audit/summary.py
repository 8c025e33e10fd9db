"""The audit in numbers, and the evidence that the report shows."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from components.audit.copies import Stream
from components.audit.findings import Finding
from components.audit.search import Audit
from components.config import AuditParams
from components.readers.images import decode_rgb
from components.records import Example, ImageRecord

NUM_SHOWN, NUM_PER_PAIR = 12, 3  # findings of a kind; of one test set and material among them
TEXT_CHARS = 400
PICTURE_PX = 160
Row = dict[str, Any]


def summarize(audit: Audit, tests: Sequence[Example], params: AuditParams) -> Row:
    """Counts, overlaps by kind, test set and material, and the evidence to look at, for JSON."""
    findings = audit.findings.list_all()
    per_set = Counter(test.dataset for test in tests)
    overlaps: defaultdict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        row = finding.overlap
        overlaps[row.kind, row.test, row.train].append(finding)
    return {
        "settings": params.model_dump(),
        "counts": {
            "images": audit.copies.num_images,
            "flat_images": len(audit.copies.flat),
            "unreadable_images": len(audit.copies.unreadable),
            "training_items": audit.num_items,
            "test_items": len(tests),
            "left_out": len({key[1:] for key in audit.findings.left_out}),
        },
        "overlaps": [
            {"kind": kind, "test": test, "train": train, "num_test": len(found)}
            | {"of_test": per_set[test], "strength": max(f.strength for f in found)}
            for (kind, test, train), found in overlaps.items()
        ],
        "evidence": [_show(finding) for finding in _choose(overlaps)],
        "retracted": {name: num for name, num in sorted(audit.retracted.items()) if num},
    }


def _choose(overlaps: dict[tuple[str, str, str], list[Finding]]) -> Iterator[Finding]:
    """The strongest of each kind, a few of each test set and material, no pair of images twice."""
    shown: Counter[str] = Counter()
    for (kind, _, _), found in overlaps.items():
        seen: set[tuple[str, str]] = set()
        for finding in sorted(found, key=lambda f: -f.strength):
            pair = (finding.test.image_id, finding.overlap.image_id or finding.overlap.train_id)
            if pair in seen or len(seen) == NUM_PER_PAIR or shown[kind] == NUM_SHOWN:
                continue
            seen.add(pair)
            shown[kind] += 1
            yield finding


def _show(finding: Finding) -> Row:
    row = finding.overlap
    return {
        "kind": row.kind,
        "test": row.test,
        "test_id": row.test_id,
        "train": row.train,
        "train_id": row.train_id,
        "evidence": row.evidence,
        "num_items": finding.num_items,
        "test_text": f"{finding.test.source} {finding.test.target}".strip()[:TEXT_CHARS],
        "passage": finding.passage,
        "test_image": finding.test.image_id if row.image_id else "",
        "train_image": row.image_id,
    }


def draw_evidence(summary: Row, images: Stream) -> Iterator[ImageRecord]:
    """The images that the evidence speaks of, each once, as small JPEG files."""
    shown = {row[side] for row in summary["evidence"] for side in ("test_image", "train_image")}
    return _draw(shown, images())


def _draw(waiting: set[str], images: Iterable[ImageRecord]) -> Iterator[ImageRecord]:
    for image in images:
        if image.id in waiting:
            waiting.remove(image.id)
            small = decode_rgb(image.bytes)
            small.thumbnail((PICTURE_PX, PICTURE_PX))
            content = io.BytesIO()
            small.save(content, "JPEG", quality=85)
            yield ImageRecord(
                image.id, content.getvalue(), "JPEG", *small.size, image.modality, image.origin
            )
