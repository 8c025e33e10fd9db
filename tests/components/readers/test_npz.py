"""MedMNIST archives, whole and broken."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.errors import UserError
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]


def make_arrays(*shape: int, num: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    arrays = {}
    for prefix in ("train", "val", "test"):
        arrays[f"{prefix}_images"] = rng.integers(0, 256, (num, *shape), np.uint8)
        arrays[f"{prefix}_labels"] = np.arange(num).reshape(-1, 1) % 2
    return arrays


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("name", "shape"), [("pneumoniamnist", (28, 28)), ("pathmnist", (8, 8, 3))]
)
def test_pixels_and_labels_come_out_as_they_went_in(
    tmp_path: Path, read: Read, name: str, shape: tuple[int, ...], compressed: bool
) -> None:
    arrays = make_arrays(*shape)
    save: Any = np.savez_compressed if compressed else np.savez
    save(tmp_path / f"{name}_64.npz", **arrays)
    rows, rejects = read(name, tmp_path)
    assert not rejects
    assert [row.split for row in rows] == ["train"] * 3 + ["validation"] * 3 + ["test"] * 3
    assert isinstance(rows[4].image, bytes)
    pixels = np.asarray(Image.open(io.BytesIO(rows[4].image)))
    assert np.array_equal(pixels, arrays["val_images"][1])
    assert rows[4].origin == f"{name}_64.npz#val/1"
    assert rows[0].fields["label"] != rows[1].fields["label"]
    assert len({row.id for row in rows}) == 9


def test_bad_labels_are_rejected(tmp_path: Path, read: Read) -> None:
    arrays = make_arrays(4, 4)
    arrays["train_labels"][1] = 7
    arrays["val_labels"] = np.zeros((3, 14), int)
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    rows, rejects = read("pneumoniamnist", tmp_path)
    assert len(rows) == 5
    assert [r.reason for r in rejects] == ["unknown-label"] + ["multi-label"] * 3


def changed(key: str, value: Any) -> dict[str, Any]:
    return make_arrays(4, 4) | {key: value}


@pytest.mark.parametrize(
    "arrays",
    [
        changed("val_labels", np.zeros((2, 1), int)),
        changed("test_images", np.zeros((3, 4, 4), np.float32)),
        changed("test_images", np.zeros((3, 4, 4, 2), np.uint8)),
        changed("test_images", np.asfortranarray(np.ones((3, 4, 4), np.uint8))),
        changed("train_labels", np.array([[{}], [{}], [{}]], object)),
        {key: value for key, value in make_arrays(4, 4).items() if key != "val_images"},
    ],
)
def test_archives_of_something_else_are_errors(
    tmp_path: Path, read: Read, arrays: dict[str, Any]
) -> None:
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    with pytest.raises(UserError, match=r"pneumoniamnist\.npz"):
        read("pneumoniamnist", tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_archives_are_errors(tmp_path: Path, read: Read, share: float) -> None:
    path = tmp_path / "pneumoniamnist.npz"
    np.savez_compressed(path, **make_arrays(28, 28))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError):
        read("pneumoniamnist", tmp_path)


def test_an_array_that_ends_early_is_an_error(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "pneumoniamnist.npz"
    np.savez(path, **make_arrays(28, 28))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["test_images.npy"] = members["test_images.npy"][:-100]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match="ends within image 2"):
        read("pneumoniamnist", tmp_path)


def test_labels_without_a_length_are_an_error(tmp_path: Path, read: Read) -> None:
    arrays = make_arrays(8, 8) | {"train_labels": np.array(1)}
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    with pytest.raises(UserError, match=r"pneumoniamnist\.npz"):
        read("pneumoniamnist", tmp_path)
