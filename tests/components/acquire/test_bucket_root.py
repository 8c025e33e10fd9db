"""Patterns over keys mean what they mean over files; an object of parts is known by its ETag."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.acquire.bucket_root import match
from components.acquire.stored import MIB, is_of_parts
from components.cards import load_cards
from components.storage import Bucket
from tests.components.training.s3_line import BUCKET, Line, line

__all__ = ["line"]
CARDS = Path(__file__).resolve().parents[3] / "data/cards"
PATTERNS = sorted(
    {p for card in load_cards(CARDS) for files in card.files.values() for p in files.patterns}
    | {"**", "**/a", "a/**", "a/**/b.*", "[ab]/?", "*/*", "**/**/a", "a*", "*.b"}
)
PARTS = st.sampled_from(["a", "b", "a.b", ".b", "ab", "A", "images", "x.jpg", "manifest.json"])
NAMES = st.lists(st.lists(PARTS, min_size=1, max_size=4), max_size=8)


@given(NAMES, st.sampled_from(PATTERNS))
@settings(max_examples=300)
def test_a_pattern_means_of_keys_what_it_means_of_files(
    names: list[list[str]], pattern: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for parts in names:
            path = root.joinpath(*parts)
            # a file where a folder would be, or the other way round, is only possible in a bucket
            if not path.exists() and not any(p.is_file() for p in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        files = [path for path in root.rglob("*") if path.is_file()]
        keys = [path.relative_to(root).as_posix() for path in files]
        found = {path for path in root.glob(pattern) if path.is_file()}
        expected = {p.relative_to(root).as_posix() for p in found if p.name != "manifest.json"}
        assert set(match(pattern, keys)) == expected


@pytest.mark.services
def test_what_was_uploaded_in_parts_is_known_by_its_etag(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(range(256)) * 4096 * 17)  # 17 MiB
    assert file.stat().st_size == 17 * MIB
    Bucket(BUCKET).upload(file, "large")
    (stored,) = Bucket(BUCKET).objects("")
    if not stored.md5:  # some servers tell the md5 of the whole all the same
        assert stored.etag.endswith("-3")
        assert is_of_parts(file, stored)
    with file.open("r+b") as opened:
        opened.seek(9 * MIB)
        opened.write(b"other")
    assert not is_of_parts(file, stored)
    assert not is_of_parts(tmp_path / "none", stored)
