"""How well copies of images are told from other images of their kind: ours beside hashes.

    python benchmarks/lookalikes.py --images FOLDER --kind "chest films" [--write]

Every image of the folder is looked for among all the others: an alarm is false, unless the folder
holds copies. Then the first ones are changed as copies are, hidden among all, and looked for.
Hashes are those of ImageHash where it is installed, and the difference hash of 64 bits.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from results import show

from components.audit.copies import find_copies
from components.lineage import hash_bytes
from components.readers.images import decode_rgb
from components.records import ImageRecord
from components.sample.leaks import CHANGES

SUFFIXES = {".jpg", ".jpeg", ".png"}
NUM_CHANGED = 15
MIN_ALIKE = 0.9  # audit.min_alike
Bits = NDArray[np.bool_]
Hash = Callable[[Image.Image], Bits]


def hash_differences(image: Image.Image) -> Bits:
    """Whether each of 8 x 8 places gets brighter to the right (N. Krawetz's dHash)."""
    small = image.convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    greys = np.asarray(small, np.int16)
    return (greys[:, 1:] > greys[:, :-1]).ravel()


def list_hashes() -> dict[str, tuple[Hash, int]]:
    """Each hash with the number of differing bits that counts as alike."""
    hashes: dict[str, tuple[Hash, int]] = {"dHash, 64 bits, 4 differ": (hash_differences, 4)}
    hashes["dHash, 64 bits, 10 differ"] = (hash_differences, 10)
    try:
        import imagehash
    except ImportError:
        return hashes
    hashes["ImageHash phash, 64 bits, 10 differ"] = (lambda i: imagehash.phash(i).hash.ravel(), 10)
    hashes["ImageHash phash, 256 bits, 60 differ"] = (
        lambda i: imagehash.phash(i, 16).hash.ravel(), 60,
    )  # fmt: skip
    return hashes


def load(folder: Path) -> list[Image.Image]:
    """The images of a folder, equal files once."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [decode_rgb(c) for c in {hash_bytes(c): c for c in map(Path.read_bytes, paths)}.values()]


def record(name: str, image: Image.Image) -> ImageRecord:
    """An image as the audit reads it."""
    content = io.BytesIO()
    image.save(content, "PNG")
    return ImageRecord(name, content.getvalue(), "PNG", *image.size, "", "")


def rate_hash(images: list[Image.Image], how: Hash, max_bits: int) -> Iterator[float]:
    """Share of images with a false alarm, then the share of copies found, of each change."""
    hashes = np.stack([how(image) for image in images])
    gaps = (hashes[:, None] != hashes[None]).sum(2) + 10_000 * np.eye(len(images), dtype=np.int64)
    yield float((gaps.min(1) <= max_bits).mean())
    for change in CHANGES.values():
        copies = np.stack([how(change(image)) for image in images[:NUM_CHANGED]])
        yield float(((copies != hashes[:NUM_CHANGED]).sum(1) <= max_bits).mean())


def rate_ours(images: list[Image.Image]) -> Iterator[float]:
    """The same of components.audit.copies."""
    known = {str(number): record(str(number), image) for number, image in enumerate(images)}
    alarms = find_copies(known, known, known.values, MIN_ALIKE)
    yield len({test for found in alarms.of.values() for test, _ in found}) / len(images)
    for change in CHANGES.values():
        made = {f"copy {n}": change(image) for n, image in enumerate(images[:NUM_CHANGED])}
        pool = known | {name: record(name, image) for name, image in made.items()}
        copies = find_copies(list(known)[:NUM_CHANGED], pool, pool.values, MIN_ALIKE)
        hits = [copies.of.get(f"copy {number}", []) for number in range(len(made))]
        found = [str(n) in {test for test, _ in hit} for n, hit in enumerate(hits)]
        yield sum(found) / len(found)


def main() -> None:
    """Print, or add to RESULTS.md, a table with a row for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    images = load(given.images)
    rows: dict[str, list[float]] = {
        name: list(rate_hash(images, how, bits)) for name, (how, bits) in list_hashes().items()
    }
    rows["ours"] = list(rate_ours(images))
    lines = [
        f"### copies among {given.kind}, {len(images)} images",
        "",
        "| | false alarms | " + " | ".join(CHANGES) + " |",
        "| --- |" + " ---: |" * (len(CHANGES) + 1),
        *(
            f"| {name} | " + " | ".join(f"{v:.0%}" for v in row) + " |"
            for name, row in rows.items()
        ),
    ]
    show("\n".join([*lines, ""]), write=given.write)


if __name__ == "__main__":
    main()
