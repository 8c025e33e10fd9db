"""JSON lists, JSON lines, and what is neither."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from components.errors import UserError
from components.readers.json_rows import CHUNK, read_json_object, read_json_records
from components.records import Reject


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "file.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        '[{"a": 1}, {"a": 2}]',
        '\ufeff[{"a": 1}, {"a": 2}]',
        '{"a": 1}\n{"a": 2}\n',
        '\n{"a": 1}\r\n\n{"a": 2}',
    ],
)
def test_lists_and_lines_give_the_same_objects(tmp_path: Path, content: str) -> None:
    found = list(read_json_records(write(tmp_path, content), "f"))
    assert [value for _, value in found] == [{"a": 1}, {"a": 2}]


def test_broken_lines_are_rejected_by_number(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"a": \n{"a": 1}\n[1]\n{"a": "\xff"}\n{"a": 2}')
    found = list(read_json_records(path, "set/f.json"))
    assert [(n, v.reason if isinstance(v, Reject) else v) for n, v in found] == [
        (1, "broken-json"),
        (2, {"a": 1}),
        (3, "not-an-object"),
        (4, "broken-json"),
        (5, {"a": 2}),
    ]
    rejects = [v for _, v in found if isinstance(v, Reject)]
    assert [reject.origin for reject in rejects] == [f"set/f.json#{n}" for n in (1, 3, 4)]


def test_items_of_a_list_that_are_no_objects_are_rejected(tmp_path: Path) -> None:
    found = list(read_json_records(write(tmp_path, '[{"a": 1}, 5, null]'), "f"))
    assert [isinstance(value, Reject) for _, value in found] == [False, True, True]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "  \n",
        "[]",
        '[{"a": 1}, {"a"',
        "<html></html>",
        "nonsense\nmore",
        b"\x00\xff",
        "[" * 9999,
        '[{"a": 1},]',
        '[{"a": 1} {"a": 2}]',
        '[{"a": 1}] {"a": 2}',
        '[{"a": 1}, {"b": tru}]' + " " * 40_000,
    ],
)
def test_a_file_without_any_object_is_an_error(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(UserError) as raised:
        list(read_json_records(write(tmp_path, content), "f"))
    assert "file.json" in str(raised.value) and "next:" in str(raised.value)


@pytest.mark.parametrize("indent", [None, 1])
def test_a_long_list_is_read_as_the_whole_of_it_would_be(
    tmp_path: Path, indent: int | None
) -> None:
    """Texts, numbers and letters lie across the borders of what is read at a time."""
    records: list[object] = [{"n": n, "t": "\u00e9\U0001f600 " * (n % 97)} for n in range(1500)]
    records += [{"long": "\u00df" * 3 * CHUNK}, 12345, {"n": -1.5e-3}]
    path = write(tmp_path, json.dumps(records, indent=indent, ensure_ascii=False) + " " * CHUNK)
    found = [value for _, value in read_json_records(path, "f")]
    assert [v for v in found if not isinstance(v, Reject)] == [*records[:-2], records[-1]]
    assert [v.origin for v in found if isinstance(v, Reject)] == ["f#1502"]


def test_memory_holds_one_record_of_a_list(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps([{"text": "x" * 1000, "n": n} for n in range(20_000)]))
    tracemalloc.start()
    num = sum(1 for _ in read_json_records(path, "f"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (num, path.stat().st_size > 20_000_000) == (20_000, True)
    assert peak < 1_000_000


def test_a_list_that_breaks_off_says_after_which_record(tmp_path: Path) -> None:
    path = write(tmp_path, '[{"a": 1}, {"a": 2}, {"a": ')
    with pytest.raises(UserError) as raised:
        list(read_json_records(path, "f"))
    assert "it is not JSON after record 2: " in raised.value.why


def test_one_object(tmp_path: Path) -> None:
    assert read_json_object(write(tmp_path, json.dumps({"1": {}}))) == {"1": {}}
    for content in ("[1]", '{"1": ', ""):
        with pytest.raises(UserError):
            read_json_object(write(tmp_path, content))
