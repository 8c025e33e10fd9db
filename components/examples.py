"""From raw rows to examples: splits, limits, images checked and stored once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.cards import Card
from components.config import PrepareParams
from components.errors import UserError
from components.image_spool import ImageSpool
from components.lineage import QUARANTINE, check_share, hash_bytes
from components.readers.frames import choose_frames, lay_out
from components.readers.images import BadImage, check_image
from components.readers.values import is_whole_text
from components.records import (
    OUTSIDE,
    SPLITS,
    UNSPLIT,
    Example,
    ImageRecord,
    RawRow,
    Reject,
    write_records,
)
from components.tasks.base import Task

OVER_LIMIT = "over-limit"
Known = dict[tuple[Path, ...], str | Reject]  # the files of a picture to its id, or its fault
RULES = frozenset({OVER_LIMIT, OUTSIDE})  # of params.yaml or the data set: no record's faults


@dataclass
class Prepared:
    """What ``prepare`` writes: examples, their images, what was refused, and how it was split."""

    examples: list[Example] = field(default_factory=list)
    images: ImageSpool = field(default_factory=ImageSpool)
    rejects: list[Reject] = field(default_factory=list)
    num_in: int = 0
    num_read: Counter[str] = field(default_factory=Counter)  # by the source's own split
    derived_splits: list[str] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)  # examples, and words that a limit cost

    def faults(self) -> list[Reject]:
        """Rejects that are faults of the record, not of a limit."""
        return [reject for reject in self.rejects if reject.reason not in RULES]

    def check(self, folder: Path, limit: float, what: str, *, hide: bool = False) -> None:
        """As ``check_share``, of the records that are faulty; they lie in ``folder``."""
        check_share(folder, self.num_judged, self.faults(), limit, what, hide=hide)

    def check_splits(self, folder: Path, needed: tuple[str, ...], what: str) -> None:
        """UserError where a split that is needed has no example; the rejects lie in ``folder``."""
        counts = Counter(example.split for example in self.examples)
        empty = [split for split in needed if not counts[split]]
        if not empty:
            return
        write_records(folder / QUARANTINE, Reject, self.rejects)
        reasons = Counter(reject.reason for reject in self.rejects).most_common(3)
        given = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
        raise UserError(
            f"{what}: no {' and no '.join(empty)} example",
            why=f"{self.num_in} records in: {given}, {len(self.rejects)} left out"
            + "".join(f"; {reason} ({num})" for reason, num in reasons)
            + (f". All: {folder / QUARANTINE}" if reasons else ""),
            next_command="look at the raw files of that split, or, where it is derived, raise "
            "prepare.derived_test in params.yaml or bring more records",
        )

    @property
    def num_judged(self) -> int:
        """Records that no rule left out: no limit of params.yaml, nor what the data set is."""
        return self.num_in - len(self.rejects) + len(self.faults())

    def name_derived(self, official: Collection[str]) -> list[str]:
        """Splits that are not the source's own: derived here, or dealt out by the reader."""
        used = {example.split for example in self.examples}
        derived = {*self.derived_splits, *(used - set(official))}
        return [split for split in SPLITS if split in derived]

    def tell_left_out(self) -> str:
        """How many records were faulty, and how many each rule left out, in a line."""
        ruled = Counter(reject.reason for reject in self.rejects if reject.reason in RULES)
        told = "".join(f", {ruled[rule]} {rule}" for rule in sorted(ruled.keys() | {OVER_LIMIT}))
        return f"{len(self.faults())} quarantined{told}"

    def write(self, folder: Path) -> dict[str, int]:
        """Write examples and images; returns the counts for the manifest."""
        write_records(folder / "examples.parquet", Example, self.examples)
        images = self.images
        write_records(folder / "images.parquet", ImageRecord, images.values(), images.rows_at_once)
        return {
            "in": self.num_in,
            "out": len(self.examples),
            "images": len(self.images),
            **{split: sum(e.split == split for e in self.examples) for split in SPLITS},
        }


def build_examples(
    card: Card, task: Task, rows: Iterable[RawRow | Reject], params: PrepareParams, seed: int
) -> Prepared:
    """Render each row, check its image, settle its split, and keep to the limits.

    Every row ends as an example or as a reject; none is lost. Nothing is drawn for validation or
    test of a set that is for training alone.
    """
    if card.trains_only:
        params = params.model_copy(update={"derived_validation": 0.0, "derived_test": 0.0})
    prepared = Prepared()
    good: list[tuple[RawRow, str]] = []
    known: Known = {}
    for row in rows:
        prepared.num_in += 1
        if isinstance(row, Reject):
            prepared.rejects.append(row)
            continue
        prepared.num_read[row.split] += 1
        if broken := _find_broken_text(row):
            prepared.rejects.append(broken)
            continue
        image = _store_image(row, prepared.images, known, params.max_image_pixels)
        if isinstance(image, Reject):
            prepared.rejects.append(image)
        elif task.needs_image and not (image or row.signal):
            prepared.rejects.append(Reject(row.origin, "no-image"))
        elif stray := _find_stray_box(row, prepared.images.look_at(image)):
            prepared.rejects.append(stray)
        else:
            good.append((replace(row, image=None), image))  # its bytes are no longer needed
    split_rows = _derive_splits([row for row, _ in good], params, seed, prepared)
    images = [image for _, image in good]
    for row, image in _within_limits(list(zip(split_rows, images, strict=True)), params, prepared):
        example = render_row(card, task, row, image, prepared.cut)
        if example.references and not example.target.strip():
            words = "nothing is left of it in the words of the task"
            prepared.rejects.append(Reject(row.origin, "empty-target", words))
        else:
            prepared.examples.append(example)
    prepared.images.keep({example.image_id for example in prepared.examples})
    return prepared


def render_row(card: Card, task: Task, row: RawRow, image_id: str, cut: Counter[str]) -> Example:
    """A row in its task's words; ``cut`` counts examples and words that a limit cost.

    UserError where the card's reader does not give what its task needs.
    """
    lacking = [name for name in task.fields if name not in row.fields]
    if lacking:
        raise UserError(
            f"data/cards/{card.name}.yaml: the reader {card.reader} gives no {', '.join(lacking)}",
            why=f"the task {card.task} needs {', '.join(task.fields)}",
            next_command="mend task or reader in the card",
        )
    rendered = task.render(row.fields)
    if rendered.num_cut:
        cut.update(examples=1, words=rendered.num_cut)
    return Example(
        id=f"{card.name}/{row.id}",
        dataset=card.name,
        task=card.task,
        split=row.split,
        source=rendered.source,
        target=rendered.target,
        references=rendered.references,
        candidates=rendered.candidates,
        prefix=rendered.prefix,
        image_id=image_id,
        modality=row.modality or card.modality,
        category=row.category,
        group=row.group or row.id,
        origin=row.origin,
        documents=row.documents,
        boxes=row.boxes,
        num_frames=len(choose_frames(len(row.frames))),
        signal=row.signal,
        attributes=row.attributes,
    )


def _store_image(row: RawRow, images: ImageSpool, known: Known, max_pixels: int) -> str | Reject:
    """The id of the row's image, stored once; "" where it has none; a Reject where it is bad."""
    paths = tuple(row.frames) if row.frames else (row.image,)
    files = tuple(path for path in paths if isinstance(path, Path))
    if files in known:
        seen = known[files]
        return replace(seen, origin=row.origin) if isinstance(seen, Reject) else seen
    outcome: str | Reject
    try:
        content = _read_picture(row, max_pixels)
        if content is None:
            return ""
        facts = check_image(content, max_pixels)
    except BadImage as bad:
        outcome = Reject(row.origin, bad.reason, bad.detail)
    else:
        outcome = hash_bytes(content)
        image = ImageRecord(
            id=outcome,
            bytes=content,
            format=facts.format,
            width=facts.width,
            height=facts.height,
            modality=row.modality,
            origin=row.origin,
        )
        images.add(image, row.image if isinstance(row.image, Path) else None)
    if files:
        known[files] = outcome
    return outcome


def _read_picture(row: RawRow, max_pixels: int) -> bytes | None:
    """The bytes of a row's image, or of its frames laid out; None where it has neither."""
    if row.frames:
        shown = [row.frames[i] for i in choose_frames(len(row.frames))]
        return lay_out([path.read_bytes() for path in shown], max_pixels)
    return row.image.read_bytes() if isinstance(row.image, Path) else row.image


def _find_broken_text(row: RawRow) -> Reject | None:
    """A Reject where a name cannot be written: half of a character, as JSON and file names allow.

    Readers see to the fields themselves.
    """
    named = {"id": row.id, "group": row.group, "category": row.category, "origin": row.origin}
    named |= {"documents": " ".join(row.documents), "attributes": " ".join(row.attributes.values())}
    broken = [name for name, text in named.items() if not is_whole_text(text)]
    if not broken:
        return None
    return Reject(row.origin, "broken-text", f"{' and '.join(broken)} hold half of a character")


def _find_stray_box(row: RawRow, image: ImageRecord | None) -> Reject | None:
    """A Reject where a box's centre is not in the image: it was drawn on another."""
    if image is None:
        return None
    for left, top, right, bottom in row.boxes:
        if not (0 <= (left + right) / 2 < image.width and 0 <= (top + bottom) / 2 < image.height):
            size = f"{image.width} x {image.height}"
            return Reject(row.origin, "box-outside", f"{[left, top, right, bottom]} of {size}")
    return None


def _draw(seed: int, key: str) -> float:
    """A number in [0, 1) that depends on the seed and the key alone."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _derive_splits(
    rows: list[RawRow], params: PrepareParams, seed: int, prepared: Prepared
) -> list[RawRow]:
    """Give each row a split. What an official split names stays; a missing one is drawn by group.

    Rows that share a group (an image, a patient, a document) never end on two sides of a derived
    border.
    """
    given = Counter(row.split for row in rows)
    test = params.derived_test if given[UNSPLIT] else 0.0
    validation = params.derived_validation if not given["validation"] else 0.0
    if not given[UNSPLIT] and validation == 0.0:
        return rows
    settled = []
    for row in rows:
        draw, split = _draw(seed, row.group or row.id), row.split
        if split == UNSPLIT and draw < test:
            split = "test"
        elif split in (UNSPLIT, "train"):
            split = "validation" if draw < test + validation else "train"
        settled.append(replace(row, split=split))
    prepared.derived_splits = [
        name for name in SPLITS if not given[name] and any(row.split == name for row in settled)
    ]
    return settled


def _within_limits(
    rows: list[tuple[RawRow, str]], params: PrepareParams, prepared: Prepared
) -> list[tuple[RawRow, str]]:
    """At most so many rows per split, drawn by hash; the rest is counted as over the limit."""
    limits = {
        "train": params.max_train,
        "validation": params.max_validation,
        "test": params.max_test,
    }
    kept_ids: set[str] = set()
    for split, limit in limits.items():
        ids = [row.id for row, _ in rows if row.split == split]
        kept_ids.update(sorted(ids, key=lambda key: _draw(0, key))[:limit])
    for row, _ in rows:
        if row.id not in kept_ids:
            rule = f"max_{row.split} in params.yaml"
            prepared.rejects.append(Reject(row.origin, OVER_LIMIT, rule))
    return [(row, image) for row, image in rows if row.id in kept_ids]
