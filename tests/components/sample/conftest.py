"""Small sample sources, and pictures that say which scene they show."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.sample.scenes import Scene
from components.sample.settings import SampleSettings
from components.sample.world import make_source

SMALL = SampleSettings(num_images=24, num_texts=40, image_px=16, seed=3)
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a source in a folder of its own; settings can be changed by name."""

    def make_one(name: str, folder: str = "made", **changes: int) -> Path:
        make_source(name, tmp_path / folder, replace(SMALL, **changes))
        return tmp_path / folder

    return make_one


class Camera:
    """Stands in for drawing: a flat picture whose grey tells the scene that it was taken of."""

    def __init__(self) -> None:
        self.scenes: list[Any] = []

    def take(self, scene: Any, image_px: int, dice: object) -> np.ndarray[Any, Any]:
        """A picture of a scene (or of whatever else is drawn)."""
        self.scenes.append(scene)
        assert len(self.scenes) < 120
        return np.full((image_px, image_px), 2 * len(self.scenes), np.uint8)

    def look(self, image: Path | np.ndarray[Any, Any]) -> Any:
        """The scene that a picture was taken of."""
        pixels = read_pixels(image) if isinstance(image, Path) else image
        return self.scenes[round(float(pixels.mean()) / 2) - 1]

    def scene(self, image: Path) -> Scene:
        """As ``look``, for pictures of scenes."""
        found = self.look(image)
        assert isinstance(found, Scene)
        return found


def read_pixels(path: Path) -> np.ndarray[Any, Any]:
    """Grey levels of a picture file."""
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("L"))


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Camera:
    """Every source that draws scenes takes its pictures with this."""
    found = Camera()
    for source in (
        "biomed_vital", "iu_xray", "medmnist", "medpix", "pathvqa", "pmc_oa", "slake", "vqa_rad",
    ):  # fmt: skip
        monkeypatch.setattr(f"components.sample.{source}.draw_scene", found.take)
    monkeypatch.setattr("components.sample.medmnist.draw_tissue", found.take)
    return found


def read_json(path: Path) -> Any:
    """A JSON file, or the list of its lines."""
    if path.suffix == ".jsonl":
        return read_lines(path)
    return json.loads(path.read_text())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one on each line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
