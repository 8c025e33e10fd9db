"""Parquet files: what is written is read, the same records give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.records import SCHEMAS, Reject, as_row, count_records, read_records, write_records

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=20),
    "binary": st.binary(max_size=20),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "double": st.floats(allow_nan=False),
    "list<item: string>": st.lists(st.text(max_size=5), max_size=3),
    "list<item: int32>": st.lists(st.integers(0, 2**31 - 1), max_size=3),
}
REJECTS = [Reject(f"file#{i}", "bad", "x" * i) for i in range(10)]


def records(kind: type) -> st.SearchStrategy[list[Any]]:
    """Lists of records of one kind, with any values."""
    columns = {column.name: VALUES[str(column.type)] for column in SCHEMAS[kind]}
    return st.lists(st.builds(kind, **columns), max_size=5)


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)
def test_every_kind_comes_back_and_gives_the_same_bytes(
    kind: type, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(kind.__name__)

    @given(records(kind))
    @settings(deadline=None, max_examples=25)
    def comes_back(made: list[Any]) -> None:
        assert write_records(folder / "a.parquet", kind, made) == len(made)
        write_records(folder / "b.parquet", kind, iter(made))
        assert list(read_records(folder / "a.parquet", kind)) == made
        assert count_records(folder / "a.parquet") == len(made)
        assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()

    comes_back()


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)
def test_a_schema_names_the_fields_in_order_and_allows_no_gaps(kind: type) -> None:
    assert SCHEMAS[kind].names == [field.name for field in fields(kind)]
    assert not any(field.nullable for field in SCHEMAS[kind])


def test_batches_are_written_and_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "made" / "rejects.parquet"
    assert write_records(path, Reject, REJECTS, batch_rows=3) == 10
    assert list(read_records(path, Reject)) == REJECTS
    assert pq.ParquetFile(path).num_row_groups == 4


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    def broken() -> Iterator[Reject]:
        yield REJECTS[0]
        raise RuntimeError("the source broke")

    path = tmp_path / "rejects.parquet"
    write_records(path, Reject, REJECTS)
    with pytest.raises(RuntimeError, match="the source broke"):
        write_records(path, Reject, broken(), batch_rows=1)
    assert list(read_records(path, Reject)) == REJECTS


def test_a_missing_file_and_a_missing_column_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rejects.parquet"
    with pytest.raises(UserError, match=r"rejects\.parquet is missing") as caught:
        list(read_records(path, Reject))
    assert caught.value.next_command == "dvc repro"
    write_records(path, Reject, REJECTS)
    pq.write_table(pq.read_table(path, columns=["origin"]), path)
    with pytest.raises(UserError, match=r"lacks the columns \['reason', 'detail'\]"):
        list(read_records(path, Reject))


def test_a_row_is_a_plain_dict() -> None:
    assert as_row(REJECTS[0]) == {"origin": "file#0", "reason": "bad", "detail": ""}


def test_a_damaged_file_names_the_stage_that_made_it(tmp_path: Path) -> None:
    path = tmp_path / "examples.parquet"
    write_records(path, Reject, REJECTS * 1000)
    whole = path.read_bytes()
    manifest = {"stage": "prepare", "identity": {"dataset": "slake"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for content in (b"", whole[: len(whole) // 2], whole[:50] + bytes(200) + whole[250:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is damaged") as caught:
            list(read_records(path, Reject))
        assert caught.value.what.startswith(str(path))
        assert caught.value.next_command.endswith(" prepare@slake")
