"""Which records a corpus held: a Parquet file of its numbers alone, kept when the corpus is not.

It is named by the hash of the corpus' manifest, which is how a model's manifest names what formed
it, so that one can tell years later which records a model has read.
"""

from __future__ import annotations

from pathlib import Path

from components.errors import METADATA
from components.lineage import MANIFEST, hash_file
from components.tracing.corpus import ARTICLES, list_shards, scan

LEDGERS = Path("data/ledgers")  # not DVC's: it would take the older ones away with a checkout
NUMBERS = ("pmid", "pmcid", "kind", "retracted", "concern")


def ledger_path(sha256: str, folder: Path = LEDGERS) -> Path:
    """Where the numbers of a corpus are kept."""
    return folder / f"{sha256}.parquet"


def keep_ledger(articles: Path = ARTICLES, folder: Path = LEDGERS) -> Path:
    """Write down which records a finished corpus holds, once; where that is.

    Memory holds a shard's numbers at a time. The file appears under its name when it is whole.
    """
    path = ledger_path(hash_file(articles / MANIFEST), folder)
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        rows = scan(list_shards(articles / "articles"), NUMBERS).select(NUMBERS)
        rows.sink_parquet(partial, compression="zstd", metadata=METADATA)
        partial.replace(path)
    return path
