"""Parquet files: what is written is read, the same records give the same bytes."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.records import (
    GROUP_BYTES,
    SCHEMAS,
    Article,
    Reject,
    count_records,
    find_shards,
    read_records,
    write_records,
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=20),
    "binary": st.binary(max_size=20),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "double": st.floats(allow_nan=False),
    "list<item: string>": st.lists(st.text(max_size=5), max_size=3),
    "list<item: double>": st.lists(st.floats(allow_nan=False), max_size=3),
    "list<item: int32>": st.lists(st.integers(0, 2**31 - 1), max_size=3),
    "list<item: list<item: double>>": st.lists(
        st.lists(st.floats(allow_nan=False), max_size=4), max_size=3
    ),
    "map<string, string>": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
}
EMPTY: dict[str, Any] = {
    "string": "", "bool": False, "int32": 0, "list<item: string>": [],
}  # fmt: skip
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


def write_shards(folder: Path, shards: dict[str, list[Reject]]) -> None:
    for name, rejects in shards.items():
        write_records(folder / name, Reject, rejects)


def test_a_folder_of_shards_is_read_as_the_one_file(tmp_path: Path) -> None:
    write_records(tmp_path / "one.parquet", Reject, REJECTS)
    folder = tmp_path / "many"
    names = ["a/2.parquet", "a/10.parquet", "b.parquet", "a-1/x.parquet"]  # by path: 10, 2, a-1, b
    write_shards(folder, {
        names[1]: REJECTS[:3], names[0]: REJECTS[3:4], names[3]: [], names[2]: REJECTS[4:],
    })  # fmt: skip
    (folder / "a/3.parquet.partial").write_bytes(b"not whole yet")
    (folder / "b.parquet.md").write_text("no shard")
    shards = [shard.relative_to(folder).as_posix() for shard in find_shards(folder)]
    assert shards == ["a/10.parquet", "a/2.parquet", "a-1/x.parquet", "b.parquet"]
    assert list(read_records(folder, Reject)) == list(
        read_records(tmp_path / "one.parquet", Reject)
    )
    assert count_records(folder) == count_records(tmp_path / "one.parquet") == len(REJECTS)


def test_a_folder_without_shards_is_an_error_like_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "empty/deeper").mkdir(parents=True)
    for path, words in (("empty", "holds no Parquet file"), ("nothing", "is missing")):
        with pytest.raises(UserError, match=words) as caught:
            list(read_records(tmp_path / path, Reject))
        assert caught.value.next_command == "dvc repro"
        with pytest.raises(UserError, match=words):
            count_records(tmp_path / path)


def test_long_texts_take_little_memory_to_read(tmp_path: Path) -> None:
    """The texts of the file are 80 MB, one batch of many rows or one row group would be as much."""
    generator = random.Random(1)
    long = "".join(generator.choices(string.ascii_lowercase, k=1_000_000))
    empty = {column.name: EMPTY[str(column.type)] for column in SCHEMAS[Article]}

    def articles() -> Iterator[Article]:
        for _ in range(800):
            begin = generator.randrange(900_000)
            yield Article(**{**empty, "text": long[begin : begin + 100_000]})

    path = tmp_path / "articles.parquet"
    write_records(path, Article, articles())
    groups = pq.read_metadata(path)
    largest = max(groups.row_group(i).total_byte_size for i in range(groups.num_row_groups))
    assert largest < 1.1 * GROUP_BYTES
    before = pa.total_allocated_bytes()
    peak = max(pa.total_allocated_bytes() - before for _ in read_records(path, Article))
    assert peak < 48e6  # a page, which may be a row group, twice; and a batch


def test_a_missing_file_and_a_missing_column_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rejects.parquet"
    with pytest.raises(UserError, match=r"rejects\.parquet is missing") as caught:
        list(read_records(path, Reject))
    assert caught.value.next_command == "dvc repro"
    write_records(path, Reject, REJECTS)
    pq.write_table(pq.read_table(path, columns=["origin"]), path)
    with pytest.raises(UserError, match=r"lacks the columns \['reason', 'detail'\]"):
        list(read_records(path, Reject))


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


def test_a_damaged_file_is_told_too_where_its_records_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "examples.parquet"
    write_records(path, Reject, REJECTS * 1000)
    for content in (b"", path.read_bytes()[:-20]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"examples\.parquet is damaged") as caught:
            count_records(tmp_path)
        assert caught.value.why and caught.value.next_command


def test_a_damaged_shard_names_the_stage_of_the_product_above_it(tmp_path: Path) -> None:
    shard = tmp_path / "articles/articles/2016/a.parquet"
    write_records(shard, Reject, REJECTS)
    manifest = {"stage": "ingest_pubmed", "identity": {}}
    (tmp_path / "articles/manifest.json").write_text(json.dumps(manifest))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(UserError, match="is damaged") as caught:
        list(read_records(tmp_path / "articles/articles", Reject))
    assert caught.value.what.startswith(str(shard))
    assert caught.value.next_command.endswith(" ingest_pubmed")
