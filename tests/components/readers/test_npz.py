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

from components.cards import Card
from components.errors import UserError
from components.readers.registry import read_rows
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
    ("name", "shape"), [("pneumoniamnist", (64, 64)), ("pathmnist", (64, 64, 3))]
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
    arrays = make_arrays(28, 28)
    arrays["train_labels"][1] = 7
    arrays["val_labels"] = np.zeros((3, 14), int)
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    rows, rejects = read("pneumoniamnist", tmp_path)
    assert len(rows) == 5
    assert [r.reason for r in rejects] == ["unknown-label"] + ["multi-label"] * 3


def changed(key: str, value: Any) -> dict[str, Any]:
    return make_arrays(28, 28) | {key: value}


@pytest.mark.parametrize(
    "arrays",
    [
        changed("val_labels", np.zeros((2, 1), int)),
        changed("test_images", np.zeros((3, 28, 28), np.float32)),
        changed("test_images", np.zeros((3, 28, 28, 2), np.uint8)),
        changed("test_images", np.asfortranarray(np.ones((3, 28, 28), np.uint8))),
        changed("train_labels", np.array([[{}], [{}], [{}]], object)),
        changed("val_labels", np.zeros((3, 1), np.float32)),
        {key: value for key, value in make_arrays(28, 28).items() if key != "val_images"},
    ],
)
def test_archives_of_something_else_are_errors(
    tmp_path: Path, read: Read, arrays: dict[str, Any]
) -> None:
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    with pytest.raises(UserError, match=r"pneumoniamnist\.npz"):
        read("pneumoniamnist", tmp_path)


def test_pickled_objects_are_refused_by_the_name_of_their_member(
    tmp_path: Path, read: Read
) -> None:
    arrays = changed("train_labels", np.array([[{}], [{}], [{}]], object))
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    with pytest.raises(UserError, match=r"pneumoniamnist\.npz") as caught:
        read("pneumoniamnist", tmp_path)
    assert "train_labels.npy holds object" in caught.value.why


def test_a_header_that_claims_a_terabyte_takes_no_memory(tmp_path: Path, read: Read) -> None:
    header = io.BytesIO()
    claim = {"descr": "<i8", "fortran_order": False, "shape": (1 << 37, 1)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(tmp_path / "pneumoniamnist.npz", "w") as archive:
        for key, value in make_arrays(28, 28).items():
            content = io.BytesIO()
            np.save(content, value)
            is_false = key == "train_labels"
            archive.writestr(f"{key}.npy", header.getvalue() if is_false else content.getvalue())
    with pytest.raises(UserError, match=r"pneumoniamnist\.npz") as caught:
        read("pneumoniamnist", tmp_path)
    assert "train_labels.npy is shorter than its shape" in caught.value.why


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
    arrays = make_arrays(28, 28) | {"train_labels": np.array(1)}
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    with pytest.raises(UserError, match=r"pneumoniamnist\.npz"):
        read("pneumoniamnist", tmp_path)


def test_a_name_that_tells_another_size_is_an_error(tmp_path: Path, read: Read) -> None:
    np.savez(tmp_path / "pathmnist_224.npz", **make_arrays(64, 64, 3))
    with pytest.raises(UserError, match="cannot be read") as caught:
        read("pathmnist", tmp_path)
    assert caught.value.why == "train_images.npy holds images of 64 x 64 px; its name says 224"


def test_editions_are_chosen_and_never_mixed(tmp_path: Path, card: Callable[[str], Card]) -> None:
    np.savez(tmp_path / "pathmnist.npz", **make_arrays(28, 28, 3))
    np.savez(tmp_path / "pathmnist_64.npz", **make_arrays(64, 64, 3, num=2))
    both = card("pathmnist")
    with pytest.raises(UserError, match="2 archives") as caught:
        list(read_rows(both, tmp_path))
    assert "28 px (pathmnist.npz), 64 px (pathmnist_64.npz)" in caught.value.why
    assert "options.edition" in caught.value.next_command
    one = both.model_copy(update={"options": {"edition": "64"}})
    assert len(list(read_rows(one, tmp_path))) == 6
    with pytest.raises(UserError, match="no archives of 224 px"):
        list(read_rows(both.model_copy(update={"options": {"edition": "224"}}), tmp_path))


@pytest.mark.parametrize(
    "header", [b"{'descr': '|u1', \"\"\"", b"{'descr': (", b"[" * 5000, b"{1: 2}", b"'", b"f(x)"]
)
def test_a_header_of_broken_words_is_an_error(tmp_path: Path, read: Read, header: bytes) -> None:
    """numpy takes it apart as Python, which can fail in Python's ways."""
    path = tmp_path / "pneumoniamnist.npz"
    np.savez(path, **make_arrays(28, 28))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["train_labels.npy"] = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=r"pneumoniamnist\.npz"):
        read("pneumoniamnist", tmp_path)
