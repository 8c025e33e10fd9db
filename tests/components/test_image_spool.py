"""Images of a data set while it is prepared: read when asked for, never all in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from components.errors import UserError
from components.image_spool import MAX_HELD, ImageSpool
from components.lineage import hash_bytes
from components.records import ImageRecord, read_records, write_records


def make(content: bytes) -> ImageRecord:
    return ImageRecord(hash_bytes(content), content, "PNG", 2, 3, "ct", "f#1")


def test_images_of_files_and_of_archives_come_back_once_in_order(tmp_path: Path) -> None:
    images = [make(text.encode()) for text in ("b", "a", "c")]
    (tmp_path / "a.png").write_bytes(b"a")
    spool = ImageSpool()
    for image in [*images, images[0]]:
        spool.add(image, tmp_path / "a.png" if image.bytes == b"a" else None)
    assert list(spool.values()) == images
    seen = spool.look_at(images[0].id)
    assert seen and (seen.width, seen.height, seen.bytes) == (2, 3, b"")
    spool.keep({images[2].id, "another"})
    assert list(spool.values()) == images[2:]


def test_a_file_that_changed_meanwhile_is_not_taken_for_what_it_was(tmp_path: Path) -> None:
    spool = ImageSpool()
    (tmp_path / "a.png").write_bytes(b"a")
    spool.add(make(b"a"), tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"b")
    with pytest.raises(UserError, match=r"a\.png changed while"):
        list(spool.values())


def test_memory_does_not_hold_the_images(tmp_path: Path) -> None:
    size, num = 4 << 20, 40
    assert size * num > 2 * MAX_HELD
    spool = ImageSpool()
    tracemalloc.start()
    for number in range(num):
        spool.add(make(number.to_bytes(2, "big") * (size // 2)), None)
    kind = ImageRecord
    write_records(tmp_path / "images.parquet", kind, spool.values(), spool.rows_at_once)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size * num // 2 + MAX_HELD // 2
    assert [image.id for image in read_records(tmp_path / "images.parquet", kind)] == list(spool)


def test_small_images_still_share_a_row_group() -> None:
    spool = ImageSpool()
    assert spool.rows_at_once == 1
    for number in range(100):
        spool.add(make(bytes([number]) * 1000), None)
    assert spool.rows_at_once == 4096
