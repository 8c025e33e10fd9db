"""MedMNIST archives: {train,val,test}_{images,labels} arrays of 8-bit images and whole numbers."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from PIL import Image

from components.cards import Card
from components.errors import UserError
from components.readers.json_rows import unreadable
from components.readers.values import BadValue, as_label
from components.records import RawRow, Reject

MAX_LABEL_BYTES = 64 << 20  # of one split; the largest has 14 labels for 80,000 images
FIRST_EDITION_PX = 28  # its files carry no size in their names
EDITION = re.compile(r"_(\d+)$")
SPLIT_PREFIXES = {"train": "train", "validation": "val", "test": "test"}
Pixels = np.ndarray[Any, np.dtype[Any]]

# RuntimeError: an encrypted member; NotImplementedError is one too, for an unknown compression,
# and RecursionError for a header of brackets. numpy takes a header for Python's words.
BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, TypeError,
    SyntaxError, TokenError,
)  # fmt: skip


def read_npz_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per image, as PNG bytes, with the card's answer text for its label.

    Images are streamed: the 224 px archives do not fit into memory. Raises UserError when there
    are several editions and ``options.edition`` (a side in pixels) does not choose, when the
    archive is broken, or its arrays are not what MedMNIST holds or not of the size that the file's
    name says. Nothing is unpickled.
    """
    path = choose_archive(card, card.find(root, "all"))
    name = path.relative_to(root).as_posix()
    try:
        with zipfile.ZipFile(path) as archive:
            for split, prefix in SPLIT_PREFIXES.items():
                for index, pixels, label in _read_arrays(path, archive, prefix):
                    row = RawRow(
                        id=f"{prefix}/{index}",
                        split=split,
                        fields={},
                        origin=f"{name}#{prefix}/{index}",
                        image=_encode_png(pixels),
                        modality=card.modality,
                    )
                    yield _label_row(row, label, card)
    except BROKEN as error:
        raise unreadable(path, f"it is not a whole npz archive: {error}") from None


def choose_archive(card: Card, paths: list[Path]) -> Path:
    """The one archive of the edition that the card asks for; UserError where that is not one."""
    wanted = card.options.get("edition", "")
    found = [path for path in paths if wanted in ("", str(name_edition(path)))]
    if len(found) == 1:
        return found[0]
    sides = ", ".join(f"{name_edition(path)} px ({path.name})" for path in paths)
    raise UserError(
        f"{card.title}: {len(found) or 'no'} archives{f' of {wanted} px' if wanted else ''}",
        why=f"there are {sides}; editions are never mixed, and results depend on which it was",
        next_command=f"name one under options.edition in data/cards/{card.name}.yaml, "
        "or leave one in the folder",
    )


def name_edition(path: Path) -> int:
    """The side in pixels that an archive's name says: 28, or what follows its last underscore."""
    found = EDITION.search(path.stem)
    return int(found[1]) if found else FIRST_EDITION_PX


def _read_arrays(
    path: Path, archive: zipfile.ZipFile, prefix: str
) -> Iterator[tuple[int, Pixels, Pixels]]:
    """Index, pixels (H, W) or (H, W, 3), and labels of each image of one split."""
    members = [f"{prefix}_images.npy", f"{prefix}_labels.npy"]
    absent = [member for member in members if member not in archive.namelist()]
    if absent:
        raise unreadable(path, f"it lacks {', '.join(absent)}")
    labels = _read_labels(path, archive, members[1])
    with archive.open(members[0]) as file:
        shape = _read_image_header(path, file, members[0])
        if labels.ndim == 0 or len(labels) != shape[0]:
            raise unreadable(path, f"{shape[0]} {prefix} images but {labels.size} labels")
        num_bytes = int(np.prod(shape[1:]))
        for index in range(shape[0]):
            content = file.read(num_bytes)
            if len(content) != num_bytes:
                raise unreadable(path, f"{members[0]} ends within image {index}")
            pixels = np.frombuffer(content, np.uint8).reshape(shape[1:])
            yield index, pixels, np.asarray(labels[index]).reshape(-1)


def _read_labels(path: Path, archive: zipfile.ZipFile, member: str) -> Pixels:
    with archive.open(member) as file:
        shape, _, kind = _read_header(file)
    if not np.issubdtype(kind, np.integer):
        raise unreadable(path, f"{member} holds {kind}, not whole numbers; nothing is unpickled")
    # a header may claim more than there is, and memory would be set aside for it
    num_bytes = int(np.prod(shape, dtype=object)) * kind.itemsize
    if num_bytes > archive.getinfo(member).file_size:
        raise unreadable(path, f"{member} is shorter than its shape {shape} says")
    if num_bytes > MAX_LABEL_BYTES:  # zeros pack a thousandfold
        raise unreadable(path, f"{member} unpacks to {num_bytes:,} bytes, over {MAX_LABEL_BYTES:,}")
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    return read(file)


def _read_image_header(path: Path, file: Any, member: str) -> tuple[int, ...]:
    shape, fortran, kind = _read_header(file)
    is_image = len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)
    if kind != np.uint8 or fortran or not is_image:
        raise unreadable(path, f"{member} holds {kind} {shape}, not 8-bit images (N, H, W[, 3])")
    side = name_edition(path)
    if shape[1:3] != (side, side):
        size = " x ".join(map(str, shape[1:3]))
        raise unreadable(path, f"{member} holds images of {size} px; its name says {side}")
    return tuple(int(size) for size in shape)


def _label_row(row: RawRow, label: Pixels, card: Card) -> RawRow | Reject:
    if len(label) != 1:
        return Reject(row.origin, "multi-label", f"{len(label)} labels")
    try:
        return replace(row, fields={"label": as_label(label[0].item(), "label", card.answers)})
    except BadValue as bad:
        return Reject(row.origin, bad.reason, bad.detail)


def _encode_png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
