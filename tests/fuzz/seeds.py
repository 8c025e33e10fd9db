"""Sound files to begin with: those of the sample world, and what the project itself writes."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from components.sample.world import SampleSettings, make_source

ROOT = Path(__file__).resolve().parents[2]
AMOUNTS = ((2, 6), (4, 6), (4, 12), (8, 24))  # images and texts: the first that a source can make
LEAST = {"healthcaremagic": 2}  # of AMOUNTS: with fewer its fourth file has no record
RECORDS = (".json", ".jsonl", ".yaml", ".csv", ".tsv", ".txt", ".gz", ".xml", ".nxml", ".npz",
           ".npy",
           ".xlsx", ".parquet", ".pkl", ".dcm", ".dicom", ".dic", ".ass")  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """The files of a folder by path, and those of them that are changed."""

    name: str
    files: dict[str, bytes]
    changed: tuple[str, ...]


def seed_of(name: str, **files: bytes) -> Seed:
    """A seed whose files are all changed; ``_`` in a keyword stands for the dot of a suffix."""
    named = {".".join(key.rsplit("_", 1)): content for key, content in files.items()}
    return Seed(name, named, tuple(named))


def read_folder(name: str, folder: Path, suffixes: tuple[str, ...] = RECORDS) -> Seed:
    """What lies in a folder; the files of these suffixes are changed, else all of them."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    changed = tuple(path for path in files if path.endswith(suffixes)) or tuple(files)
    return Seed(name, files, changed)


def made_by(
    write: Callable[[Path], object], name: str, suffixes: tuple[str, ...] = RECORDS
) -> Seed:
    """What a function writes into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return read_folder(name, Path(folder), suffixes)


@cache
def sample(source: str) -> Seed:
    """The sample world's files of a source, as few as it can make."""
    fault: Exception | None = None
    for num_images, num_texts in AMOUNTS[LEAST.get(source, 0) :]:
        settings = SampleSettings(num_images, num_texts, image_px=28, seed=7)
        try:
            return made_by(lambda folder, to=settings: make_source(source, folder, to), source)
        except ValueError as error:
            fault = error
    raise AssertionError(f"the sample world cannot make {source}: {fault}")


def draw_images() -> list[Seed]:
    """Small pictures in every format and mode that is read, with EXIF, frames and transparency."""
    grey = np.random.default_rng(3).integers(0, 256, (24, 32), np.uint8)
    rgb = Image.fromarray(np.dstack([grey, grey[::-1], grey]))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = {
        "rgb.png": (rgb, {}), "grey.png": (Image.fromarray(grey), {}), "deep.png": (deep, {}),
        "palette.png": (rgb.quantize(16), {"transparency": 3}), "alpha.png": (rgb.convert("RGBA"),
                                                                              {}),
        "turned.jpg": (rgb, {"exif": exif}), "progressive.jpg": (rgb, {"progressive": True}),
        "cmyk.jpg": (rgb.convert("CMYK"), {}), "plain.bmp": (rgb, {}), "deep.tif": (deep, {}),
        "lzw.tif": (rgb, {"compression": "tiff_lzw"}), "jpeg.tif": (rgb, {"compression": "jpeg"}),
        "fax.tif": (rgb.convert("1"), {"compression": "group4"}), "float.tif": (deep.convert("F"),
                                                                                {}),
        "lossless.webp": (rgb, {"lossless": True}), "lossy.webp": (rgb, {}),
        "frames.gif": (rgb, {"save_all": True, "append_images": [rgb.rotate(90), rgb]}),
        "frames.webp": (rgb, {"save_all": True, "append_images": [rgb.rotate(90)]}),
        "frames.tif": (rgb, {"save_all": True, "append_images": [rgb.rotate(90)]}),
    }  # fmt: skip
    seeds = []
    for name, (image, options) in plain.items():
        buffer = io.BytesIO()
        image.save(buffer, Image.registered_extensions()[f".{name.split('.')[1]}"], **options)
        seeds.append(Seed(name, {name: buffer.getvalue()}, (name,)))
    return seeds


def dicom_files() -> list[Seed]:
    """The DICOM files of the sample world's mammograms, each alone."""
    files = {
        content: path
        for source in ("cbis_ddsm_mass", "cbis_ddsm_calc")
        for path, content in sample(source).files.items()
        if path.endswith(".dcm")
    }
    return [Seed(path, {"image.dcm": content}, ("image.dcm",)) for content, path in files.items()]


def cards() -> list[Seed]:
    """The project's own cards, each alone."""
    paths = sorted((ROOT / "data/cards").glob("*.yaml"))
    return [Seed(p.stem, {f"{p.stem}.yaml": p.read_bytes()}, (f"{p.stem}.yaml",)) for p in paths]


def place(seed: Seed, folder: Path) -> None:
    """Write a seed's files into a folder, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in seed.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
