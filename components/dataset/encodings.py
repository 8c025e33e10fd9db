"""Codes of images, kept by what decides them: the image, the tokenizer's weights, the transform.

``<folder>/<key>/`` holds shards of codes by the sha256 of their images; the key stands for all the
rest. What is there is not made again, whichever run made it and for whichever data set. A shard
appears when it is whole, so that a run that was killed goes on at the next one.

Shape letters: B images, H and W pixels, h and w cells.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from components.dataset.codes import Place, cut_middle, draw_sample, read_images
from components.dataset.images import normalise
from components.errors import damage_told
from components.lineage import hash_bytes, hash_file
from components.readers.images import BadImage
from components.records import ImageCodes, ImageRecord, Reject, batches, write_records
from components.scale import open_workers
from components.tokenization.image import (
    CONFIG,
    WEIGHTS,
    encode_images,
    image_seed,
    load_encoder,
)
from components.tokenization.quality import measure_tokenizer
from components.tokenization.vqgan import Vqgan

UNIT_IMAGES = 512  # minutes of one core at full width, and what a killed run loses at most
SHARD_IMAGES = 1 << 15  # of the product: some 10 MB
SAMPLE_IMAGES = 32  # of a modality, whose quality is measured
DECIDING = (  # the modules that decide what an image's codes are
    "dataset/codes.py", "dataset/images.py", "readers/images.py", "tokenization/image.py",
    "tokenization/vqgan.py",
)  # fmt: skip
LIBRARIES = ("pillow", "torch")


@dataclass(frozen=True)
class Transform:
    """What is done to an image before and after the tokenizer. ``seed`` None: the likeliest codes.

    With a seed they are a sample, drawn by the seed and the image's id.
    """

    image_px: int
    crop: str
    seed: int | None


@dataclass(frozen=True)
class Encoding:
    """The tokenizer's folder, the transform, and how it is computed, which decides no code.

    Every batch has ``batch`` images, so that codes do not depend on which images come together.
    """

    tokenizer: Path
    transform: Transform
    batch: int
    device: str
    threads: int


def make_key(tokenizer: Path, transform: Transform) -> str:
    """16 hex digits that stand for weights, transform, and the code and libraries that do it."""
    here = Path(__file__).parents[1]
    parts = {
        "tokenizer": [hash_file(tokenizer / name) for name in (WEIGHTS, CONFIG)],
        "transform": asdict(transform),
        "code": [hash_file(here / name) for name in DECIDING],
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return hash_bytes(json.dumps(parts, sort_keys=True).encode())[:16]


def encode_missing(
    places: Sequence[Place], encoding: Encoding, folder: Path, workers: int
) -> list[Reject]:
    """Encode the images whose codes ``folder`` lacks; returns those that have none, and why.

    What other weights or transforms gave is removed.
    """
    key = make_key(encoding.tokenizer, encoding.transform)
    for other in folder.glob("*/"):
        if other.name != key:
            shutil.rmtree(other)
    for stale in (folder / key).glob("*.partial"):
        stale.unlink()
    known = find_codes(folder / key)
    units = list(batches((place for place in places if place.id not in known), UNIT_IMAGES))
    encode = partial(encode_unit, encoding=encoding, folder=folder / key)
    with open_workers(workers if units else 0, int(encoding.device == "cuda")) as pool:
        return list(chain.from_iterable(pool.map(encode, units, "tokenize_images")))


def find_codes(folder: Path) -> dict[str, Path]:
    """The shard that holds each image's codes, by the image's id. A damaged shard is removed."""
    known: dict[str, Path] = {}
    for shard in sorted(folder.glob("*.parquet")):
        try:
            names = pl.read_parquet(shard, columns=["image_id"])["image_id"]
        except pl.exceptions.PolarsError:
            shard.unlink()
        else:
            known.update(dict.fromkeys(names, shard))
    return known


def encode_unit(places: Sequence[Place], encoding: Encoding, folder: Path) -> list[Reject]:
    """Write a shard with the codes of these images; returns those that have none, and why.

    ``folder`` is named by the key, the shard by its images: the same work has the same name.
    """
    rejects: list[Reject] = []
    name = hash_bytes("\n".join(place.id for place in places).encode())[:16]
    squares = cut_images(read_images(places), encoding.transform, rejects)
    rows = _encode(_load(encoding, folder.name), squares, encoding)
    write_records(folder / f"{name}.parquet", ImageCodes, rows)
    return rejects


@lru_cache(maxsize=1)
def _load(encoding: Encoding, key: str) -> Vqgan:  # noqa: ARG001 (other weights in the same folder)
    """The tokenizer, loaded once in a worker's life."""
    torch.set_num_threads(encoding.threads)
    return load_encoder(encoding.tokenizer, encoding.device)


def cut_images(
    images: Iterable[ImageRecord], transform: Transform, rejects: list[Reject]
) -> Iterator[tuple[str, Tensor]]:
    """Ids and pixels of sound images; the others go to ``rejects``."""
    for image in images:
        found = hash_bytes(image.bytes)
        if found != image.id:
            rejects.append(Reject(image.origin, "changed-image", f"{image.id} has sha256 {found}"))
            continue
        try:
            yield image.id, cut_middle(image.bytes, transform.image_px, transform.crop)
        except BadImage as bad:
            rejects.append(Reject(image.origin, bad.reason, f"{image.id} {bad.detail}".strip()))


def _encode(
    model: Vqgan, squares: Iterable[tuple[str, Tensor]], encoding: Encoding
) -> Iterator[ImageCodes]:
    seed = encoding.transform.seed
    for chunk in batches(squares, encoding.batch):
        full = chunk + chunk[-1:] * (encoding.batch - len(chunk))
        images_B3HW = normalise(torch.stack([square for _, square in full])).to(encoding.device)
        seeds = None if seed is None else [image_seed(seed, name) for name, _ in full]
        codes_Bhw = encode_images(model, images_B3HW, seeds).cpu()
        for (name, _), grid in zip(chunk, codes_Bhw, strict=False):
            yield ImageCodes(name, grid.flatten().tolist())


def measure_sample(places: Sequence[Place], encoding: Encoding) -> dict[str, Any]:
    """What the codes keep of a sample of each modality: ``measure_tokenizer``'s numbers.

    It is drawn before anything is encoded, and only its images are decoded from their codes. No
    images give no numbers.
    """
    chosen = draw_sample(places, SAMPLE_IMAGES)
    modalities = {place.id: place.modality for place in chosen}
    cut = list(cut_images(read_images(chosen), encoding.transform, []))
    if not cut:
        return {"by_modality": {}}
    model = _load(encoding, make_key(encoding.tokenizer, encoding.transform))
    drawn = (
        normalise(torch.stack([square for _, square in chunk]))
        for chunk in batches(cut, encoding.batch)
    )
    return measure_tokenizer(model, drawn, [modalities[name] for name, _ in cut])


def merge_units(folder: Path) -> None:
    """Put shards of ``folder`` together until all but one hold SHARD_IMAGES images or more.

    A bucket then gets a few objects of some 10 MB, and not one for each unit. Whoever is killed
    here leaves codes twice at worst, and the next run merges what is left.
    """
    group: list[pl.DataFrame] = []
    paths: list[Path] = []
    sizes = {path: _count_images(path) for path in sorted(folder.glob("*.parquet"))}
    small = [path for path, size in sizes.items() if size < SHARD_IMAGES]
    for path in small:
        group.append(pl.read_parquet(path))
        paths.append(path)
        if path == small[-1] or sum(part.height for part in group) >= SHARD_IMAGES:
            _merge(group, paths)
            group, paths = [], []


def _count_images(shard: Path) -> int:
    return int(pl.scan_parquet(shard).select(pl.len()).collect().item())


def _merge(parts: list[pl.DataFrame], paths: list[Path]) -> None:
    if len(paths) == 1:
        return
    merged = pl.concat(parts).unique("image_id", maintain_order=True)
    name = hash_bytes("\n".join(merged["image_id"]).encode())[:16]
    target = paths[0].with_name(f"{name}.parquet")
    write_records(target, ImageCodes, (ImageCodes(*row) for row in merged.iter_rows()))
    for path in paths:
        if path != target:
            path.unlink()


def gather_codes(places: Sequence[Place], known: dict[str, Path], out: Path) -> int:
    """Write the codes of these images, in their order, as shards under ``out``; returns how many.

    Images that have none are left out. There is one shard at least, for readers want one.
    """
    shutil.rmtree(out, ignore_errors=True)  # an earlier run may have left more of them
    chosen = [place.id for place in places if place.id in known]
    for number, begin in enumerate(range(0, max(len(chosen), 1), SHARD_IMAGES)):
        names = chosen[begin : begin + SHARD_IMAGES]
        rows = _look_up(names, known)
        write_records(out / f"{number:05d}.parquet", ImageCodes, rows)
    return len(chosen)


def _look_up(names: list[str], known: dict[str, Path]) -> Iterator[ImageCodes]:
    wanted = pl.DataFrame({"image_id": names}, schema={"image_id": pl.String})
    parts = []
    for shard in dict.fromkeys(known[name] for name in names):
        with damage_told(shard, pl.exceptions.PolarsError):
            parts.append(pl.read_parquet(shard).join(wanted, on="image_id", how="semi"))
    if parts:
        found = pl.concat(parts).unique("image_id")
        rows = wanted.join(found, on="image_id", how="left", maintain_order="left")
        yield from (ImageCodes(name, codes) for name, codes in rows.iter_rows())
