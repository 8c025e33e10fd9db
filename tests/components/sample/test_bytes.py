"""The same seed gives the same bytes, whatever else happened; another seed gives others."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from components.errors import UserError
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.world import MAKERS, make_source
from tests.components.sample.conftest import SMALL, Make, names


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names(folder)}


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_bytes_follow_from_the_seed_alone(make: Make, name: str) -> None:
    first = read_bytes(make(name, "first"))
    random.seed(0)
    np.random.seed(0)
    make("meqsum", "another source")
    assert read_bytes(make(name, "again")) == first
    assert read_bytes(make(name, "other", seed=4)) != first


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_exactly_the_files_that_are_named_are_made(tmp_path: Path, name: str) -> None:
    paths = make_source(name, tmp_path, SMALL)
    assert paths == sorted(tmp_path / file for file in names(tmp_path))


def test_archives_carry_no_time_of_writing(make: Make) -> None:
    for name in ("pathmnist", "meqsum", "pubmed"):
        folder = make(name, name)
        for path in (folder / n for n in names(folder)):
            if path.suffix == ".gz":
                assert path.read_bytes()[3:8] == bytes(5), path  # neither name nor time
            elif path.suffix != ".md5":
                with zipfile.ZipFile(path) as archive:
                    dates = {entry.date_time for entry in archive.infolist()}
                    assert dates == {(1980, 1, 1, 0, 0, 0)}
    (book,) = make("meqsum", "book").iterdir()
    with zipfile.ZipFile(book) as archive:
        assert archive.read("docProps/core.xml").count(b"2019-07-28T00:00:00Z") == 2


def test_unknown_sources_and_too_few_records_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it makes: biomed_vital, "):
        make_source("mimic", tmp_path, SMALL)
    with pytest.raises(ValueError, match="2 records cannot fill"):
        cut_splits(2)


@pytest.mark.parametrize("num", [3, 4, 10, 57, 800])
def test_splits_are_full_apart_and_all(num: int) -> None:
    splits = cut_splits(num)
    assert [number for split in splits.values() for number in split] == list(range(1, num + 1))
    assert all(len(split) for split in splits.values())
    assert len(splits["train"]) >= len(splits["test"])


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_smallest_worlds_can_be_made(tmp_path: Path, name: str) -> None:
    settings = SampleSettings(num_images=3, num_texts=9, image_px=16, seed=0)
    assert make_source(name, tmp_path, settings)
