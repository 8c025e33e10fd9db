"""Codes that are kept: made once, by what decides them, and the same whoever makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from components.dataset import encodings
from components.dataset.codes import Place, training_images
from components.dataset.encodings import (
    Encoding,
    Transform,
    encode_missing,
    find_codes,
    gather_codes,
    make_key,
    measure_sample,
    merge_units,
)
from components.records import (
    ImageCodes,
    ImageRecord,
    Reject,
    read_records,
    write_records,
)
from components.tokenization.image import save_tokenizer
from components.tokenization.vqgan import Vqgan, VqganConfig

FEW = VqganConfig(channels=4, latent=4, num_codes=8, num_blocks=1, num_groups=2)
LIKELIEST = Encoding(Path("tokenizer"), Transform(16, "whole", None), 3, "cpu", 1)
KEPT = Path("encodings")


@pytest.fixture(autouse=True)
def workplace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: list[ImageRecord]
) -> Iterator[None]:
    """A tokenizer, and images in two files; units and shards are small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(encodings, "UNIT_IMAGES", 4)
    monkeypatch.setattr(encodings, "SHARD_IMAGES", 5)
    make_tokenizer(1)
    write_images(images)
    yield
    encodings._load.cache_clear()


def make_tokenizer(seed: int) -> None:
    torch.manual_seed(seed)
    save_tokenizer(Vqgan(FEW), LIKELIEST.tokenizer)


def write_images(images: list[ImageRecord]) -> None:
    for name, part in (("a", images[:7]), ("b", images[7:])):
        write_records(Path(f"data/articles/images/{name}.parquet"), ImageRecord, part)


def encode(
    encoding: Encoding = LIKELIEST, places: list[Place] | None = None, workers: int = 0
) -> tuple[dict[str, list[int]], list[Reject]]:
    """The codes that a run leaves, as the stage writes them, and what it set aside."""
    places = training_images([]) if places is None else places
    rejects = encode_missing(places, encoding, KEPT, workers)
    known = find_codes(KEPT / make_key(encoding.tokenizer, encoding.transform))
    num = gather_codes(places, known, Path("out"))
    codes = {row.image_id: row.codes for row in read_records(Path("out"), ImageCodes)}
    assert num == len(codes) == len(places) - len(rejects)
    assert list(codes) == [place.id for place in places if place.id in codes]
    return codes, rejects


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")
    }


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the images whose codes are written, as they are."""
    seen: list[str] = []
    write = encodings._encode

    def note(*arguments: object) -> Iterator[ImageCodes]:
        for row in write(*arguments):  # type: ignore[arg-type]
            seen.append(row.image_id)
            yield row

    monkeypatch.setattr(encodings, "_encode", note)
    return seen


def test_codes_come_in_shards_in_the_order_of_the_images(encoded: list[str]) -> None:
    codes, rejects = encode()
    assert (len(codes), rejects) == (11, [])
    assert {len(row) for row in codes.values()} == {4}
    assert list(bytes_of(Path("out"))) == ["00000.parquet", "00001.parquet", "00002.parquet"]
    assert len(bytes_of(KEPT)) == 3  # units, not images
    assert encode()[0] == codes
    assert len(encoded) == 11


def test_an_image_that_is_known_is_not_encoded_again(encoded: list[str]) -> None:
    places = training_images([])
    fewer, _ = encode(places=places[3:9])
    assert len(bytes_of(Path("out"))) == 2
    assert encoded == [place.id for place in places[3:9]]
    codes, _ = encode(places=places)
    assert encoded == [place.id for place in [*places[3:9], *places[:3], *places[9:]]]
    assert {name: codes[name] for name in fewer} == fewer
    whole = bytes_of(Path("out"))
    for path in KEPT.rglob("*.parquet"):
        path.unlink()
    encode(places=places)
    assert bytes_of(Path("out")) == whole  # whatever was known before


def test_a_run_that_was_killed_goes_on_at_the_next_unit(
    encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = encodings.encode_unit

    def die(places: list[Place], encoding: Encoding, folder: Path) -> list[Reject]:
        if len(encoded) == 8:
            (folder / "cut.parquet.partial").write_bytes(b"half")
            raise KeyboardInterrupt
        return unit(places, encoding, folder)

    with monkeypatch.context() as patched:
        patched.setattr(encodings, "encode_unit", die)
        with pytest.raises(KeyboardInterrupt):
            encode()
    assert len(encoded) == 8
    codes, _ = encode()
    assert len(encoded) == len(codes) == 11
    assert not list(KEPT.rglob("*.partial"))


def test_fewer_images_leave_no_shard_of_more() -> None:
    encode()
    assert len(encode(places=training_images([])[:4])[0]) == 4
    assert list(bytes_of(Path("out"))) == ["00000.parquet"]


def test_units_become_few_shards_that_hold_the_same(encoded: list[str]) -> None:
    codes, _ = encode()
    whole, folder = bytes_of(Path("out")), next(KEPT.iterdir())
    for _ in range(2):  # the second time nothing changes
        merge_units(folder)
        sizes = [len(list(read_records(path, ImageCodes))) for path in folder.iterdir()]
        assert sorted(sizes) == [4, 7]  # of 4, 4 and 3 images: 5 or more are a shard
        assert encode()[0] == codes
        assert bytes_of(Path("out")) == whole
    assert len(encoded) == len(codes)


def test_a_merge_that_was_killed_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, _ = encode()
    folder = next(KEPT.iterdir())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", interrupt)
        merge_units(folder)
    assert len(bytes_of(folder)) == 4  # the merged one beside what it is made of
    merge_units(folder)
    assert encode()[0] == codes
    known = [row.image_id for row in read_records(folder, ImageCodes)]
    assert set(known) == set(codes)


def interrupt(_: Path) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_600_000_images_are_some_dozens_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path.cwd()
    monkeypatch.undo()  # units and shards as large as they are
    monkeypatch.chdir(here)
    kept, num = KEPT / "key", 600_000
    kept.mkdir(parents=True)
    ids = [f"{number:08x}" for number in range(num)]
    for begin in range(0, num, encodings.UNIT_IMAGES):  # as the workers leave them
        unit = pl.DataFrame({"image_id": ids[begin : begin + encodings.UNIT_IMAGES]})
        unit = unit.with_columns(codes=pl.lit([1, 2, 3, 4], pl.List(pl.Int32)))
        unit.write_parquet(kept / f"{begin:016x}.parquet", compression="uncompressed")
    assert len(list(kept.iterdir())) > 1000
    merge_units(kept)
    places = [Place(name, "ct", "images", 0) for name in ids]
    assert gather_codes(places, find_codes(kept), Path("out")) == num
    assert len(list(kept.iterdir())) + len(list(Path("out").iterdir())) == 38


def test_a_damaged_shard_is_made_again(encoded: list[str]) -> None:
    codes, _ = encode()
    broken = sorted(KEPT.rglob("*.parquet"))[1]
    broken.write_bytes(broken.read_bytes()[:-9])
    assert encode()[0] == codes
    assert 11 < len(encoded) < 22


def test_other_weights_or_another_transform_are_another_key() -> None:
    def key(**changes: object) -> str:
        transform = replace(LIKELIEST.transform, **changes)  # type: ignore[arg-type]
        return make_key(LIKELIEST.tokenizer, transform)

    keys = [key(), key(image_px=8), key(crop="centre"), key(seed=1), key(seed=2)]
    make_tokenizer(2)
    keys.append(key())
    assert len(set(keys)) == len(keys)
    make_tokenizer(1)
    assert key() == keys[0]


def test_what_other_weights_gave_is_not_taken_and_goes(encoded: list[str]) -> None:
    first, _ = encode()
    make_tokenizer(2)
    second, _ = encode()
    assert len(encoded) == 22
    assert first != second
    assert len(list(KEPT.iterdir())) == 1


@pytest.mark.parametrize("seed", [None, 5])
def test_codes_do_not_depend_on_how_they_are_computed(seed: int | None) -> None:
    encoding = replace(LIKELIEST, transform=replace(LIKELIEST.transform, seed=seed))
    codes, _ = encode(encoding)
    for path in KEPT.rglob("*.parquet"):
        path.unlink()
    assert encode(replace(encoding, batch=64), training_images([])[::-1])[0] == codes


def test_sampled_codes_follow_the_seed() -> None:
    likeliest, _ = encode()
    found = [
        encode(replace(LIKELIEST, transform=replace(LIKELIEST.transform, seed=seed)))[0]
        for seed in (5, 6, 5)
    ]
    assert found[0] == found[2]
    assert found[0] != found[1]
    assert likeliest not in found


def test_bad_images_are_set_aside_with_their_reason(images: list[ImageRecord]) -> None:
    cut = images[2].bytes[: len(images[2].bytes) // 2]
    spoilt = [*images]
    spoilt[2] = replace(images[2], id=encodings.hash_bytes(cut), bytes=cut)
    spoilt[4] = replace(images[4], bytes=images[5].bytes)
    spoilt[9] = replace(images[9], id=encodings.hash_bytes(b""), bytes=b"")
    whole, _ = encode()
    write_images(spoilt)
    codes, rejects = encode()
    assert {(reject.origin, reject.reason) for reject in rejects} == {
        ("image#2", "broken-image"),
        ("image#9", "empty-image"),
    }  # image#4 has codes from before under its name
    for path in KEPT.rglob("*.parquet"):
        path.unlink()
    codes, rejects = encode()
    assert {reject.origin: reject.reason for reject in rejects} == {
        "image#2": "broken-image",
        "image#4": "changed-image",
        "image#9": "empty-image",
    }
    assert codes == {name: row for name, row in whole.items() if name in codes}


def test_no_images_leave_one_empty_shard() -> None:
    assert encode(places=[]) == ({}, [])
    assert list(bytes_of(Path("out"))) == ["00000.parquet"]
    assert measure_sample([], LIKELIEST) == {"by_modality": {}}


def test_a_sample_of_each_modality_is_measured(
    images: list[ImageRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodings, "SAMPLE_IMAGES", 2)
    named = [replace(image, modality=("ct", "", "")[i % 3]) for i, image in enumerate(images)]
    named[0] = replace(named[0], bytes=b"no image")
    write_images(named)
    found = measure_sample(training_images([]), LIKELIEST)
    assert {name: row["images"] for name, row in found["by_modality"].items()} in (
        {"ct": 2, "unknown": 2},
        {"ct": 1, "unknown": 2},  # where the bad one was drawn
    )


@pytest.mark.services
def test_the_same_bytes_whatever_the_number_of_workers(images: list[ImageRecord]) -> None:
    spoilt = [*images]
    spoilt[3] = replace(images[3], id=encodings.hash_bytes(b"gif"), bytes=b"gif")
    write_images(spoilt)
    found = []
    for workers in (0, 1, 2):
        for path in KEPT.rglob("*.parquet"):
            path.unlink()
        _, rejects = encode(workers=workers)
        found.append((bytes_of(KEPT), bytes_of(Path("out")), rejects))
    assert found[0] == found[1] == found[2]
    assert [reject.origin for reject in found[0][2]] == ["image#3"]
