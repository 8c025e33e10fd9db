"""MedMNIST archives: {train,val,test}_{images,labels} arrays of 8-bit images and whole numbers."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components.cards import Card
from components.readers.json_rows import unreadable
from components.readers.values import BadValue, as_label
from components.records import RawRow, Reject

SPLIT_PREFIXES = {"train": "train", "validation": "val", "test": "test"}
Pixels = np.ndarray[Any, np.dtype[Any]]

# RuntimeError: an encrypted member; NotImplementedError is one too, for an unknown compression.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)


def read_npz_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per image, as PNG bytes, with the card's answer text for its label.

    Images are streamed: the 224 px archives do not fit into memory. Raises UserError when the
    archive is broken, or its arrays are not what MedMNIST holds. Nothing is unpickled.
    """
    path = card.find(root, "all")[0]
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


def _read_arrays(
    path: Path, archive: zipfile.ZipFile, prefix: str
) -> Iterator[tuple[int, Pixels, Pixels]]:
    """Index, pixels (H, W) or (H, W, 3), and labels of each image of one split."""
    members = [f"{prefix}_images.npy", f"{prefix}_labels.npy"]
    absent = [member for member in members if member not in archive.namelist()]
    if absent:
        raise unreadable(path, f"it lacks {', '.join(absent)}")
    with archive.open(members[1]) as file:
        labels = np.lib.format.read_array(file, allow_pickle=False)
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


def _read_image_header(path: Path, file: Any, member: str) -> tuple[int, ...]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(file)
    is_image = len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)
    if kind != np.uint8 or fortran or not is_image:
        raise unreadable(path, f"{member} holds {kind} {shape}, not 8-bit images (N, H, W[, 3])")
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
