"""Files whose bytes depend on their content alone: no time of writing, no order by chance."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def start_chance(seed: int, source: str) -> random.Random:
    """The source's own stream of random choices."""
    return random.Random(f"{seed}/{source}")


def start_dice(seed: int, source: str) -> np.random.Generator:
    """The source's own stream of random numbers for drawing."""
    digest = hashlib.sha256(f"{seed}/{source}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file, with the folders above it; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text with the line ends that it has."""
    return write_bytes(path, text.encode())


def write_json(path: Path, value: Any, indent: int | None = 1, ascii_only: bool = True) -> Path:
    """Write one JSON value, keys in the order given."""
    return write_text(path, json.dumps(value, indent=indent, ensure_ascii=ascii_only))


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write one JSON object per line."""
    return write_text(path, "".join(json.dumps(record) + "\n" for record in records))


def write_gzip(path: Path, content: bytes) -> Path:
    """Write gzip without name and time."""
    return write_bytes(path, gzip.compress(content, compresslevel=6, mtime=0))


def write_md5(path: Path) -> Path:
    """Write NLM's checksum file beside a file: ``MD5(name)= hash``."""
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return write_text(path.with_name(path.name + ".md5"), f"MD5({path.name})= {digest}\n")


def encode_image(pixels: Pixels, kind: str, mode: str = "") -> bytes:
    """A PNG or JPEG file; ``mode`` converts first (``RGB``, ``RGBA``, ``L``, ``CMYK``)."""
    image = Image.fromarray(pixels)
    if mode and image.mode != mode:
        image = image.convert(mode)
    buffer = io.BytesIO()
    if kind == "JPEG":
        image.save(buffer, "JPEG", quality=92)
    else:
        image.save(buffer, kind, compress_level=4)
    return buffer.getvalue()


def write_image(path: Path, pixels: Pixels, mode: str = "") -> Path:
    """Write a picture as its suffix says: .png or .jpg."""
    kind = {".png": "PNG", ".jpg": "JPEG"}[path.suffix]
    return write_bytes(path, encode_image(pixels, kind, mode))
