"""What was in the corpus and is retracted now."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from components.pubmed.recalled import find_recalled, read_taken


def write(folder: Path, rows: list[dict[str, object]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "unit.parquet")


def test_only_what_was_taken_and_is_retracted_now_is_recalled(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    origins = ["a.xml.gz#11", "a.xml.gz#12", "PMC7.1/PMC7.1.xml#PMC7.1", "a.xml.gz#13", "b.xml#14"]
    flags = [False, False, False, True, False]
    rows = [{"origin": o, "retracted": r} for o, r in zip(origins, flags, strict=True)]
    write(before / "articles/pubmed", [dict(row) for row in rows])
    taken = read_taken(before)
    assert sorted(taken) == ["11", "12", "14", "PMC7"]
    rejects = [
        ("b.xml.gz#11", "retracted"),
        ("b.xml.gz#12", "superseded"),
        ("PMC7.2/PMC7.2.xml#PMC7.2", "retracted"),
        ("a.xml.gz#13", "retracted"),  # was so before
        ("b.xml.gz#99", "retracted"),  # is new
    ]
    write(now / "quarantine.parquet/x", [{"origin": o, "reason": r} for o, r in rejects])
    write(now / "articles/pubmed", [{"origin": "c.xml#14", "retracted": True}])  # kept, and told
    assert find_recalled(taken, now) == ["11", "14", "PMC7"]


def test_a_record_that_is_told_twice_is_recalled_once(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    told = [{"origin": o, "retracted": False} for o in ("a.xml.gz#11.1", "b.xml.gz#11.2")]
    write(before / "articles/pubmed", told)
    write(
        now / "quarantine.parquet/x",
        [{"origin": row["origin"], "reason": "retracted"} for row in told],
    )
    assert find_recalled(read_taken(before), now) == ["11"]


def test_without_a_corpus_nothing_is_recalled(tmp_path: Path) -> None:
    assert read_taken(tmp_path).is_empty()
    assert find_recalled(pl.Series("name", ["11"]), tmp_path) == []
