"""Records that say nearly what an earlier one says: MinHash, buckets, then the exact measure.

Two texts are near-duplicates where the Jaccard similarity of their word 5-shingles is at least
SIMILARITY (Broder, 1997). ``fingerprint`` is taken file by file, while the texts are at hand;
``find_near_duplicates`` needs the fingerprints of the whole corpus, and few of its texts.

MinHash values stand in NUM_BANDS bands of NUM_ROWS; records that agree in a whole band meet in a
bucket (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.4). Two records of
similarity s meet with probability 1 - (1 - s^6)^16:

    s      0.2    0.4    0.5    0.6    0.7    0.8    0.85   0.9
    meet   0.001  0.06   0.22   0.53   0.86   0.992  0.9995 0.99999

Those that meet are read and compared, so nothing is dropped by chance; what chance can do is to
overlook a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rensa import RMinHash

SIMILARITY = 0.8
NUM_BANDS, NUM_ROWS = 16, 6
SHINGLE_WORDS = 5
MIN_WORDS = 20  # of fewer, one changed word is too much
BANDS = tuple(f"band_{band:02}" for band in range(NUM_BANDS))  # columns: 128 bytes a record

# Letters, marks and digits; Chinese and Japanese put no spaces between words.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
WORD = rf"{UNSPACED}|[\p{{L}}\p{{M}}\p{{N}}--{UNSPACED}]+"

SEED = 1
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits without pattern: 2^64 / golden ratio
SLICE_BYTES = 1 << 19  # of text in work at a time
PART_ROWS = 4 << 20  # records whose keys are compared at a time
CHARS_READ = 64 << 20  # of texts that are compared at a time

Hashes = NDArray[np.uint64]
ReadTexts = Callable[[Sequence[int]], dict[int, str]]


def fingerprint(texts: pl.Series) -> pl.DataFrame:
    """The keys of the buckets that each text belongs to: columns BANDS (UInt64), a row per text.

    Null where a text is missing or has fewer than MIN_WORDS words. Keys depend on the text alone,
    in every process and on every 64-bit machine; another release of rensa may give other ones (its
    RMinHash.ALGORITHM_VERSION says so), which must not be compared with these.
    """
    schema = dict.fromkeys(BANDS, pl.UInt64)
    return pl.concat([pl.DataFrame(schema=schema), *map(_fingerprint_slice, _slices(texts))])


def find_near_duplicates(bands: pl.LazyFrame, read_texts: ReadTexts) -> pl.DataFrame:
    """The records to drop (``order``), what each is dropped for (``kept``), and ``similarity``.

    ``bands`` holds ``order``, the records' numbers in the corpus, ``num_chars`` of their texts, and
    BANDS; its rows may come in any order. ``read_texts`` gives the text of each number that it is
    asked for, which have at most CHARS_READ characters together. Sorted by ``order``.

    A record is dropped where an earlier one that is kept is similar to it, and for the first such:
    the greedy clustering of CD-HIT (Li and Godzik, 2006). Along a chain of small changes a record
    too far from the kept one is kept as well, where a closure of all pairs would lose it.
    """
    candidates = pair_candidates(bands)
    met = pl.concat([candidates["earlier"], candidates["later"]]).unique()
    lengths = bands.select(pl.col("order").cast(pl.Int64), "num_chars")
    num_chars = lengths.filter(pl.col("order").is_in(met.implode())).collect()
    pairs = verify_pairs(candidates, num_chars, read_texts)
    dropped: dict[int, tuple[int, float]] = {}
    for earlier, later, similarity in pairs.sort("later", "earlier").iter_rows():
        if earlier not in dropped:
            dropped.setdefault(later, (earlier, similarity))
    rows = [(order, *why) for order, why in dropped.items()]
    schema = {"order": pl.Int64, "kept": pl.Int64, "similarity": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row")


def pair_candidates(bands: pl.LazyFrame) -> pl.DataFrame:
    """Pairs of records that meet: ``earlier`` and ``later`` (Int64), each once, sorted.

    Each member of a bucket is paired with the bucket's first, so that a phrase with which thousands
    of records begin gives thousands of pairs, not millions. Two copies that follow another record
    in such a bucket still meet by their bands that hold words of their own.

    Memory: a key and a number for PART_ROWS records, and the pairs. Every band is read alone, once
    for each PART_ROWS of the records.
    """
    pairs = pl.DataFrame(schema={"earlier": pl.Int64, "later": pl.Int64})
    num_parts = 1 + bands.select(pl.len()).collect().item() // PART_ROWS
    for band in BANDS:
        rows = bands.select(pl.col("order").cast(pl.Int64), key=band)
        parts = (rows.filter(pl.col("key") % num_parts == part) for part in range(num_parts))
        met = [_pair_with_first(part.collect()) for part in parts]  # a key of null is in no part
        pairs = pl.concat([pairs, *met]).unique()
    return pairs.sort("earlier", "later")


def verify_pairs(
    candidates: pl.DataFrame, num_chars: pl.DataFrame, read_texts: ReadTexts
) -> pl.DataFrame:
    """The candidates that are near-duplicates, with their ``similarity`` (Float64).

    Shingles are compared by hashes of 64 bits; a text has too few of them for an accident.
    ``num_chars`` holds the lengths of the candidates' texts, by ``order``.
    """
    of_pair = pl.lit(0, pl.Int64)
    sized = candidates
    for side in ("earlier", "later"):
        sized = sized.join(
            num_chars.rename({"num_chars": f"{side}_chars"}), left_on=side, right_on="order",
            how="left", maintain_order="left",
        )  # fmt: skip
        of_pair = of_pair + pl.col(f"{side}_chars")
    parts = sized.with_columns(part=of_pair.cum_sum() // CHARS_READ)
    measured = [
        _measure(pairs.select("earlier", "later"), read_texts)
        for pairs in parts.partition_by("part", maintain_order=True)
    ]
    similarities = pl.Series("similarity", np.concatenate([np.empty(0), *measured]))
    return candidates.with_columns(similarities).filter(similarities >= SIMILARITY)


def _slices(texts: pl.Series) -> Iterator[pl.Series]:
    """The texts in their order, about SLICE_BYTES at a time, never less than one."""
    sizes = texts.str.len_bytes().fill_null(0)
    parts = pl.DataFrame({"text": texts, "part": sizes.cum_sum() // SLICE_BYTES})
    for part in parts.partition_by("part", maintain_order=True):
        yield part["text"]


def _fingerprint_slice(texts: pl.Series) -> pl.DataFrame:
    shingles, num_shingles = _hash_shingles(texts)
    bounds = np.concatenate([[0], np.cumsum(num_shingles)]).astype(np.uint64)
    num_values = NUM_BANDS * NUM_ROWS
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, bounds, num_values, SEED)
    values = np.array(matrix.to_rows(), np.uint64).reshape(len(texts), NUM_BANDS, NUM_ROWS)
    keys = pl.DataFrame(_combine([values[:, :, row] for row in range(NUM_ROWS)]), list(BANDS))
    is_long = pl.Series(num_shingles > MIN_WORDS - SHINGLE_WORDS)
    return keys.with_columns(pl.when(is_long).then(pl.col(BANDS)))


def _hash_shingles(texts: pl.Series) -> tuple[Hashes, NDArray[np.int64]]:
    """The hashes of every text's shingles, in its order, one text after another; how many each has.

    Words are lower case and without punctuation.
    """
    hashes, num_words = _hash_words(texts)
    text_of = np.repeat(np.arange(len(texts)), num_words)
    starts = max(0, len(hashes) - SHINGLE_WORDS + 1)
    shingles = _combine([hashes[word : word + starts] for word in range(SHINGLE_WORDS)])
    in_one_text = text_of[:starts] == text_of[len(hashes) - starts :]
    return shingles[in_one_text], np.maximum(num_words - SHINGLE_WORDS + 1, 0)


def _hash_words(texts: pl.Series) -> tuple[Hashes, NDArray[np.int64]]:
    """The hashes of every text's words, one text after another; how many each has.

    Each different word is hashed once.
    """
    words = texts.fill_null("").str.to_lowercase().str.extract_all(WORD)
    num_words = words.list.len().to_numpy().astype(np.int64)
    flat = words.explode(empty_as_null=False).to_arrow(compat_level=pl.CompatLevel.oldest())
    del words  # a text of 1 MB may have a third of a million
    coded = flat.dictionary_encode()
    del flat
    (hashed,) = RMinHash.hash_token_sets([coded.dictionary.to_pylist()])
    return np.array(hashed, np.uint64)[pl.Series(coded.indices).to_numpy()], num_words


def _combine(parts: list[Hashes]) -> Hashes:
    """One hash of several, element by element; their order matters."""
    combined = np.zeros_like(parts[0])
    for part in parts:
        combined = (combined ^ (combined >> np.uint64(32)) ^ part) * MULTIPLIER
    return combined ^ (combined >> np.uint64(32))


def _pair_with_first(members: pl.DataFrame) -> pl.DataFrame:
    """Whoever shares a key with earlier records, and the first of these."""
    keys = np.sort(members["key"].to_numpy())  # a third of the time that a table of hashes takes
    shared = pl.DataFrame({"key": np.unique(keys[1:][keys[1:] == keys[:-1]])})
    crowd = members.join(shared, on="key", how="semi")
    first = pl.col("order").min().over("key")
    return crowd.select(earlier=first, later="order").filter(pl.col("earlier") < pl.col("later"))


def _measure(pairs: pl.DataFrame, read_texts: ReadTexts) -> NDArray[np.float64]:
    """The Jaccard similarity of each pair's sets of shingles."""
    orders = pl.concat([pairs["earlier"], pairs["later"]]).unique().sort().to_list()
    texts = read_texts(orders)
    sets: list[Hashes] = []
    for part in _slices(pl.Series([texts[order] for order in orders])):
        shingles, num_shingles = _hash_shingles(part)
        sets += map(np.unique, np.split(shingles, np.cumsum(num_shingles)[:-1]))
    found = dict(zip(orders, sets, strict=True))
    return np.array([_jaccard(found[a], found[b]) for a, b in pairs.iter_rows()])


def _jaccard(left: Hashes, right: Hashes) -> float:
    """Of two sorted sets."""
    num_shared = np.intersect1d(left, right, assume_unique=True).size
    num_all = left.size + right.size - num_shared
    return num_shared / num_all if num_all else 0.0
