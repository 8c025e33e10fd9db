"""Parquet as dataset hubs publish it: plain columns, and images as {bytes, path}."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.readers.json_rows import Found, unreadable


def read_parquet_records(path: Path, name: str) -> Iterator[Found]:  # noqa: ARG001
    """Yield (number, columns) for each row, counted from 1, a small batch in memory at a time.

    Raises UserError when the file is truncated or is not Parquet.
    """
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, f"it is not whole Parquet after row {number}: {error}") from None
