"""Pickles read as data: every protocol, and nothing that imports or calls."""

from __future__ import annotations

import collections
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import pytest

from components.errors import UserError
from components.readers.plain_pickle import read_pickle_records, read_plain_pickle
from components.records import Reject

RECORDS: list[Any] = [
    {"img_id": "train_0001", "label": {"in the liver": 1, "é": 0.5}, "question_id": 100001000},
    {"texts": ["a", "b"], "pair": (1, 2), "four": (1, 2, 3, 4), "one": (1,), "none": (), "t": True},
    {"big": 2**70, "long": "x" * 300, "null": None, "minus": -5, "again": "train_0001"},
]


def write(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_records_come_out_as_they_went_in(tmp_path: Path, protocol: int) -> None:
    path = write(tmp_path / "a.pkl", RECORDS, protocol)
    assert [value for _, value in read_pickle_records(path, "a")] == RECORDS
    path.write_bytes(pickletools.optimize(path.read_bytes()))
    assert [value for _, value in read_pickle_records(path, "a")] == RECORDS


def test_thousands_of_records_and_shared_ones(tmp_path: Path) -> None:
    shared = {"a": "b"}
    values = [shared, *({"n": number} for number in range(3000)), shared]
    found = read_plain_pickle(write(tmp_path / "a.pkl", values))
    assert found == values
    assert found[0] is found[-1]


class Harmful:
    def __reduce__(self) -> Any:
        return os.system, ("touch harmed",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("value", [Harmful(), collections.OrderedDict(a=1), Path("a"), {1, 2}])
def test_what_would_import_or_call_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "a.pkl", [{"a": value}], protocol)
    with pytest.raises(UserError, match=r"a\.pkl is refused: it wants [A-Z_]+.* at byte \d+"):
        read_plain_pickle(path)
    assert not Path("harmed").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"]", b".", b"a.", b"}]].", b"(.", b"\x80\x04]q\x00", b"]h\x05.", b"t.",
     b"(l\x8c\x01ae.", b"}]\x8c\x01as.", b"\x80\x04" + b"\xff" * 9, b"I" + b"9" * 5000 + b"\n."],
)  # fmt: skip
def test_broken_programs_are_errors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.pkl"):
        list(read_pickle_records(path, "a"))


def test_whatever_is_cut_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    content = pickle.dumps(RECORDS)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(UserError):
            read_plain_pickle(path)


def test_only_lists_of_records_by_name_are_taken(tmp_path: Path) -> None:
    for value in ({"a": 1}, [], "text", None):
        with pytest.raises(UserError, match="cannot be read"):
            list(read_pickle_records(write(tmp_path / "a.pkl", value), "a"))
    found = [item for _, item in read_pickle_records(write(tmp_path / "b", [{1: 2}, "x"]), "b")]
    assert [item.origin for item in found if isinstance(item, Reject)] == ["b#1", "b#2"]


def test_the_references_label_files_are_plain(shared_data: Path) -> None:
    paths = sorted((shared_data / "biomedgpt_labels").rglob("*.pkl"))
    assert len(paths) == 5
    for path in paths:
        found = read_plain_pickle(path)
        assert found == pickle.loads(path.read_bytes())
