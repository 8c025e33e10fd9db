"""The images that become codes: which ones, where they lie, and which part of them.

Shape letters: B images, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from components.dataset.images import draw_square, normalise
from components.errors import UserError
from components.readers.images import BadImage
from components.records import Example, ImageRecord, find_shards, read_groups, read_records

ARTICLES = Path("data/articles")
DETECT = "detect"
HELD_OUT_PART, MAX_HELD_OUT = 10, 256


@dataclass(frozen=True, slots=True)
class Place:
    """An image by its sha256, its modality, and the row group of a Parquet file that holds it."""

    id: str
    modality: str
    path: str
    group: int


@dataclass(frozen=True, slots=True)
class _Named:
    """The columns of an image that say what it is, without its bytes."""

    id: str
    modality: str


def image_files(datasets: Sequence[str]) -> list[Path]:
    """Product folders that hold images: the articles', then those of data sets."""
    return [ARTICLES, *(Path("data/examples") / name for name in datasets)]


def training_images(datasets: Sequence[str]) -> list[Place]:
    """Images of the articles' figures and of train splits, each once; test images never.

    Images of detection are looked at for their boxes alone, as in the reference.
    Memory holds some 300 bytes for each image, and none of the images. An image without a modality
    of its own has that of its examples. The last data set comes first, the articles last.
    """
    articles, *sets = image_files(datasets)
    found: dict[str, Place] = {}
    barred: set[str] = set()
    for folder in reversed(sets):
        modalities: dict[str, str] = {}
        boxed: set[str] = set()
        for example in read_records(folder / "examples.parquet", Example):
            if example.split != "train":
                barred.add(example.image_id)
            if example.task == DETECT:
                boxed.add(example.image_id)
            else:
                modalities[example.image_id] = example.modality
        _add_places(found, folder / "images.parquet", modalities, boxed - modalities.keys())
    _add_places(found, articles / "images", {}, set())
    return [place for key, place in found.items() if key not in barred]


def _add_places(
    found: dict[str, Place], path: Path, modalities: dict[str, str], passed_over: set[str]
) -> None:
    for shard in find_shards(path):
        name = shard.as_posix()
        for group, row in read_groups(shard, _Named):
            if row.id not in passed_over:
                modality = row.modality or modalities.get(row.id, "")
                found.setdefault(row.id, Place(row.id, modality, name, group))


def read_images(places: Iterable[Place]) -> Iterator[ImageRecord]:
    """The images at these places, each once, row group by row group."""
    wanted: dict[str, dict[int, set[str]]] = {}
    for place in places:
        wanted.setdefault(place.path, {}).setdefault(place.group, set()).add(place.id)
    for path, groups in wanted.items():
        for group, record in read_groups(Path(path), ImageRecord, sorted(groups)):
            if record.id in groups[group]:
                groups[group].remove(record.id)
                yield record


def load_images(places: Sequence[Place]) -> list[ImageRecord]:
    """The images at these places, in their order; memory holds them all."""
    images = {image.id: image for image in read_images(places)}
    return [images[place.id] for place in places]


def hold_out(
    places: Sequence[Place], max_fitted: int, seed: int
) -> tuple[list[Place], list[Place]]:
    """Images to fit on and images to measure on, drawn with a seed; none is in both.

    A tenth is held out, at least one image and at most 256; ``max_fitted`` of the rest are fitted.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = [places[i] for i in torch.randperm(len(places), generator=generator).tolist()]
    num_held = min(max(len(places) // HELD_OUT_PART, 1), MAX_HELD_OUT)
    return shuffled[num_held : num_held + max_fitted], shuffled[:num_held]


def draw_sample(places: Iterable[Place], num_each: int) -> list[Place]:
    """At most so many images of each modality: those of the lowest sha256.

    A hash is as good as a random number, and the draw does not change with the order of the files.
    """
    sample: dict[str, list[Place]] = {}
    for place in sorted(places, key=lambda place: place.id):
        drawn = sample.setdefault(place.modality, [])
        if len(drawn) < num_each:
            drawn.append(place)
    return [place for modality in sorted(sample) for place in sample[modality]]


def cut_middle(content: bytes, code_px: int, crop: str) -> Tensor:
    """The part of an encoded image that becomes codes, (code_px, code_px, 3) uint8.

    ``centre`` resizes to twice ``code_px`` and takes the middle, which is what pretraining hides;
    ``whole`` resizes all of the image. BadImage where it cannot be decoded.
    """
    side = 2 * code_px if crop == "centre" else code_px
    begin = (side - code_px) // 2
    square = draw_square(content, side)
    return torch.tensor(square[begin : begin + code_px, begin : begin + code_px])


def hidden_side(image_px: int, crop: str) -> int:
    """The side of the central square of an image of ``image_px`` that its codes tell of."""
    return -(-image_px // 2) if crop == "centre" else image_px


def middle_batch(images: Iterable[ImageRecord], code_px: int, crop: str) -> Tensor:
    """Images in [-1, 1], (B, 3, code_px, code_px); UserError where one cannot be decoded."""
    squares = []
    for image in images:
        try:
            squares.append(cut_middle(image.bytes, code_px, crop))
        except BadImage as bad:
            raise UserError(
                f"image {image.id} ({image.origin}) cannot be read",
                why=str(bad),
                next_command="dvc repro prepare ingest_pubmed",
            ) from None
    return normalise(torch.stack(squares))
