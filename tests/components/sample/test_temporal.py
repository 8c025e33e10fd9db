"""Only the order in time tells the answer, in what the sample world makes of change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.sample.temporal import CHANGES, COURSES, NUM_FRAMES, make_cine, make_vital_signs
from components.sample.world import SampleSettings

SETTINGS = SampleSettings(num_images=480, num_texts=10, image_px=64, seed=3)


def read_rows(folder: Path) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for split in ("train", "test")
        for line in (folder / f"{split}.jsonl").read_text().splitlines()
    ]


def test_a_course_is_told_by_its_ends_and_not_by_its_values(tmp_path: Path) -> None:
    make_vital_signs(tmp_path, SETTINGS)
    rises: dict[str, list[float]] = {answer: [] for answer in COURSES.values()}
    means: dict[str, list[float]] = {answer: [] for answer in COURSES.values()}
    spreads = []
    for row in read_rows(tmp_path):
        values = np.array(row["signal"])
        share = values / values.mean()
        rises[str(row["answer"])].append(share[-6:].mean() - share[:6].mean())
        means[str(row["answer"])].append(np.sort(share)[12])
        spreads.append(len(values))
    assert set(spreads) == {24}
    assert min(rises["it rises"]) > max(map(abs, rises["it stays level"]))
    assert max(rises["it falls"]) < min(rises["it stays level"])
    middles = [np.mean(of) for of in means.values()]
    assert max(middles) - min(middles) < 0.02


def test_no_frame_alone_tells_how_a_loop_goes_on(tmp_path: Path) -> None:
    make_cine(tmp_path, SETTINGS)
    areas: dict[str, list[list[float]]] = {answer: [] for answer in CHANGES.values()}
    for row in read_rows(tmp_path):
        if row["answer"] in areas:
            frames = [np.asarray(Image.open(tmp_path / "images" / str(n))) for n in row["frames"]]  # type: ignore[attr-defined]
            areas[str(row["answer"])].append([float((f > 150).mean()) for f in frames])
    sizes = {answer: np.array(of) for answer, of in areas.items()}
    assert all(of.shape[1] == NUM_FRAMES and len(of) > 20 for of in sizes.values())
    ratio = {answer: of[:, -1] / of[:, 0] for answer, of in sizes.items()}
    assert ratio["it grows"].min() > 1.5 > ratio["it stays the same"].max()
    assert ratio["it shrinks"].max() < 0.67 < ratio["it stays the same"].min()
    second = {answer: of[:, 1] for answer, of in sizes.items()}  # one frame: the ranges overlap
    assert second["it grows"].max() > second["it stays the same"].min()
    assert second["it shrinks"].min() < second["it stays the same"].max()


@pytest.mark.parametrize("make", [make_cine, make_vital_signs])
def test_the_same_settings_give_the_same_files(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    small = SampleSettings(num_images=12, num_texts=1, image_px=32, seed=5)
    first, again = (make(tmp_path / name, small) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert len({path.name for path in first}) == len(first)
