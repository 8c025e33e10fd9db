"""Archives and tensors that claim, or unfold to, more than they should, or lead elsewhere."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import torch
from safetensors.torch import save

from components.cards import Card, load_card
from components.checkpoints.source import read_source
from components.errors import UserError
from components.readers.csv_rows import LONGEST_LINE, read_csv_records
from components.readers.npz import MAX_LABEL_BYTES, read_npz_rows
from components.readers.sheet_rows import MAX_UNPACKED, read_sheet_records
from tests.fuzz.contract import limited_memory

ZEROS = 1 << 20


def fill(file: io.BufferedIOBase | gzip.GzipFile, num_bytes: int, letter: bytes = b"0") -> None:
    for _ in range(num_bytes // ZEROS + 1):
        file.write(letter * ZEROS)


def test_a_packed_table_of_one_endless_line_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"id,text\n")
        fill(file, 2 * LONGEST_LINE)
    assert path.stat().st_size < LONGEST_LINE // 50
    with pytest.raises(UserError, match="not whole CSV") as caught:
        list(read_csv_records(path, path.name))
    assert "a line has more than" in caught.value.why


def test_a_workbook_that_unpacks_to_much_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "questions.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["question"])
    book.save(path)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings2.xml", "w") as part,
    ):
        fill(part, MAX_UNPACKED)  # type: ignore[arg-type]
    assert path.stat().st_size < MAX_UNPACKED // 50
    with pytest.raises(UserError, match="cannot be read") as caught:
        list(read_sheet_records(path, path.name))
    assert "its parts unpack to" in caught.value.why


@pytest.mark.parametrize(("place", "value"), [(6, 255), (8, 32), (10, 77)])
def test_a_workbook_that_is_packed_in_an_unknown_way_is_told(
    tmp_path: Path, place: int, value: int
) -> None:
    """A part that needs a later version, is patched, or of another method: in both its headers."""
    path = tmp_path / "questions.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["question"])
    book.save(path)
    content = bytearray(path.read_bytes())
    for mark, shift in ((b"PK\x01\x02", 0), (b"PK\x03\x04", -2)):
        at = content.find(mark)
        while at >= 0:
            content[at + place + shift] = value
            at = content.find(mark, at + 1)
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        list(read_sheet_records(path, path.name))


@pytest.fixture
def pneumonia(repository: Path) -> Card:
    return load_card("pneumoniamnist", repository / "data/cards")


def test_labels_that_unpack_to_gigabytes_are_not_unpacked(tmp_path: Path, pneumonia: Card) -> None:
    header = io.BytesIO()
    shape = (MAX_LABEL_BYTES // 8 + 1, 1)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i8", "fortran_order": False, "shape": shape}
    )
    path = tmp_path / "pneumoniamnist.npz"
    np.savez(path, train_images=np.zeros((3, 28, 28), np.uint8))
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("train_labels.npy", "w") as part,
    ):
        part.write(header.getvalue())
        fill(part, MAX_LABEL_BYTES, b"\0")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="cannot be read") as caught:
        list(read_npz_rows(pneumonia, tmp_path))
    assert "train_labels.npy unpacks to" in caught.value.why


def test_no_member_s_name_leads_out_of_an_archive(tmp_path: Path, pneumonia: Card) -> None:
    """Members are read by the names that are expected, and none is ever unpacked to a file."""
    folder = tmp_path / "raw"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pneumoniamnist.npz", "w") as archive:
        for name in ("../train_images.npy", "/train_labels.npy", "..\\x"):
            archive.writestr(name, b"x")
    with pytest.raises(UserError, match="cannot be read"):
        list(read_npz_rows(pneumonia, folder))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["pneumoniamnist.npz", "raw"]


def test_nothing_here_unpacks_an_archive_to_files(repository: Path) -> None:
    """So that no slip of zip or tar has a way in."""
    rooms = (repository / "components", repository / "flows")
    texts = {path: path.read_text() for room in rooms for path in room.rglob("*.py")}
    calls = ("extractall(", "unpack_archive(", "import tarfile", "archive.extract(")
    assert not [path for path, text in texts.items() if any(call in text for call in calls)]


SOUND = save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)})


def lie(change: Callable[[dict[str, dict[str, object]]], object]) -> bytes:
    """A file whose header says something else, with the right length before it."""
    size = int.from_bytes(SOUND[:8], "little")
    header = json.loads(SOUND[8 : 8 + size])
    change(header)
    written = json.dumps(header).encode()
    return len(written).to_bytes(8, "little") + written + SOUND[8 + size :]


def with_header(written: bytes) -> bytes:
    return len(written).to_bytes(8, "little") + written + bytes(40)


ENTRY = b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
LIES = {
    "a header of petabytes": (2**62).to_bytes(8, "little") + SOUND[8:],
    "a header longer than the file": (1 << 26).to_bytes(8, "little") + SOUND[8:],
    "offsets outside": lie(lambda h: h["b"].update(data_offsets=[24, 4000])),
    "offsets that overlap": lie(lambda h: h["b"].update(data_offsets=[8, 24])),
    "offsets the wrong way round": lie(lambda h: h["b"].update(data_offsets=[40, 24])),
    "a hole": lie(lambda h: h["b"].update(data_offsets=[28, 40], shape=[3])),
    "another size of number": lie(lambda h: h["b"].update(dtype="F64")),
    "a shape that overflows": lie(lambda h: h["b"].update(shape=[2**32, 2**32])),
    "no numbers, in too many places": lie(
        lambda h: h["b"].update(shape=[0, 2**64 - 1], data_offsets=[24, 24])
    )[:-16],
    "a negative shape": lie(lambda h: h["b"].update(shape=[-1, -4])),
    "an unknown kind of number": lie(lambda h: h["b"].update(dtype="OBJECT")),
    "a name twice": with_header(b"{%b,%b}" % (ENTRY, ENTRY)),
    "no names": with_header(b"{}"),
    "brackets": with_header(b"{" + b'"a":{' * 50_000),
    "a name that a terminal obeys": lie(lambda h: h.update({"\x1b[2J": h.pop("b")})),
}


@pytest.mark.parametrize("content", LIES.values(), ids=LIES.keys())
def test_headers_of_safetensors_that_lie_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with limited_memory(), pytest.raises(UserError), read_source(path, tmp_path):
        pass


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(lie(lambda _: None))
    with read_source(path, tmp_path) as source:
        assert {name: tuple(t.shape) for name, t in source.tensors.items()} == {
            "a": (2, 3), "b": (4,),
        }  # fmt: skip
