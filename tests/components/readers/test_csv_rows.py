"""CSV and TSV, plain and compressed, whole and broken."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from components.cards import Card
from components.errors import UserError
from components.readers.csv_rows import read_csv_records
from components.readers.registry import read_rows
from components.records import RawRow, Reject

NOTES = '\ufeffid,text,\r\n1,"two\nlines, ""quoted""",x\r\n\r\n2,,\r\n3,a\r\n'


def test_quotes_line_ends_blank_rows_and_a_mark_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(NOTES, newline="")
    assert list(read_csv_records(path, "notes.csv")) == [
        (1, {"id": "1", "text": 'two\nlines, "quoted"'}),
        (2, {"id": "2", "text": None}),
        (3, Reject("notes.csv#3", "wrong-number-of-cells", "2 cells under 3 columns")),
    ]


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ('id,text\n1,a\n2,"b\n3,c\n4,d\n', 1),  # up to the end of the file
        ('id,text\n1,a\n2,"b\n3,"c\n4,d\n', 1),  # up to the next quote
        ('id,"text\n1,a\n', 0),
    ],
)
def test_an_open_quote_swallows_no_record(tmp_path: Path, content: str, number: int) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UserError, match=r"a\.csv") as caught:
        list(read_csv_records(tmp_path / "a.csv", "a.csv"))
    assert f"not whole CSV after record {number}: " in caught.value.why


def test_a_quote_within_a_cell_is_a_letter(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('id\ttext\n1\ta 5" tube\n')
    (found,) = read_csv_records(tmp_path / "a.tsv", "a")
    assert found == (1, {"id": "1", "text": 'a 5" tube'})


def test_gzip_tabs_and_long_fields(tmp_path: Path) -> None:
    long = "word " * 40_000
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(f"id\ttext\n1\t{long}\n".encode()))
    (found,) = read_csv_records(tmp_path / "a.tsv.gz", "a")
    assert found == (1, {"id": "1", "text": long})
    (tmp_path / "b.txt").write_text("id;text\n1;a,b\n")
    assert list(read_csv_records(tmp_path / "b.txt", "b", ";")) == [(1, {"id": "1", "text": "a,b"})]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", b"", "no header"),
        ("a.csv", b"id,text,id\n", "names id twice"),
        ("a.csv", b"id,text\n1,\xff\xfe\n", "after record 0"),
        ("a.csv.gz", b"id,text\n1,2\n", "not whole CSV"),
        ("a.csv.gz", gzip.compress(b"id,text\n" + b"1,2\n" * 9000, mtime=0)[:-20], "not whole CSV"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name) as caught:
        list(read_csv_records(tmp_path / name, name))
    assert why in caught.value.why


def test_the_table_reader_takes_compressed_columns(
    tmp_path: Path, card: Callable[[str], Card]
) -> None:
    known = card("meqsum")
    files = {"all": known.files["all"].model_copy(update={"patterns": ["*.csv.gz"]})}
    (tmp_path / "q.csv.gz").write_bytes(gzip.compress(b"File,CHQ,Summary\n1,long,short\n"))
    (row,) = read_rows(known.model_copy(update={"files": files}), tmp_path)
    assert isinstance(row, RawRow)
    assert (row.fields, row.group) == ({"text": "long", "summary": "short"}, "1")
