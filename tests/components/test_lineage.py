"""Manifests: they add up, come last, and say nothing of when and where."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components import lineage
from components.errors import UserError
from components.lineage import (
    check_share,
    hash_bytes,
    hash_code,
    hash_file,
    hash_product,
    read_manifest,
    write_manifest,
)
from components.records import Reject, read_records

REJECTS = [Reject("b#2", "empty-answer"), Reject("a#1", "empty-answer"), Reject("a#0", "no-image")]


def make_product(folder: Path, **changes: Any) -> dict[str, Any]:
    """A product of five records, of which two can be used."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.txt").write_text("two\nrows\n")
    values: dict[str, Any] = {
        "stage": "prepare",
        "identity": {"dataset": "toy"},
        "settings": {"max_train": 5},
        "inputs": [],
        "counts": {"in": 5, "out": 2},
        "rejects": REJECTS,
    }
    return write_manifest(folder, **{**values, **changes})


def test_a_manifest_holds_what_made_the_product(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_text("a,b\n")
    manifest = make_product(tmp_path / "made", inputs=[source], notes={"derived": ["test"]})
    assert read_manifest(tmp_path / "made") == manifest
    assert set(manifest) == {
        "format",
        "stage",
        "identity",
        "version",
        "access",
        "code_sha256",
        "settings",
        "inputs",
        "counts",
        "quarantine",
        "rules",
        "notes",
        "files",
    }
    assert manifest["counts"] == {"in": 5, "out": 2, "quarantined": 3}
    assert manifest["quarantine"] == {"empty-answer": 2, "no-image": 1}
    assert manifest["inputs"] == {source.as_posix(): hashlib.sha256(b"a,b\n").hexdigest()}
    assert manifest["files"]["rows.txt"] == {"bytes": 9, "sha256": hash_bytes(b"two\nrows\n")}
    assert set(manifest["files"]) == {"rows.txt", "quarantine.parquet"}
    kept = list(read_records(tmp_path / "made" / "quarantine.parquet", Reject))
    assert [reject.origin for reject in kept] == ["a#0", "a#1", "b#2"]


def test_the_same_work_gives_the_same_bytes_elsewhere_and_later(tmp_path: Path) -> None:
    make_product(tmp_path / "a")
    make_product(tmp_path / "b", rejects=iter(REJECTS[::-1]))
    for name in ("manifest.json", "quarantine.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert str(tmp_path) not in (tmp_path / "a" / "manifest.json").read_text()


@pytest.mark.parametrize("num_out", [2, 4])  # one that is lost, one that came from nowhere
def test_counts_that_do_not_add_up_leave_no_manifest(tmp_path: Path, num_out: int) -> None:
    with pytest.raises(AssertionError, match="3 quarantined do not add up"):
        make_product(tmp_path / "made", counts={"in": 6, "out": num_out})
    with pytest.raises(UserError, match="is not a finished product") as caught:
        read_manifest(tmp_path / "made")
    assert caught.value.next_command == "dvc repro"


def test_an_input_that_is_not_there_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is missing"):
        make_product(tmp_path / "made", inputs=[tmp_path / "nowhere"])
    assert not (tmp_path / "made" / "manifest.json").exists()


def test_a_product_is_known_by_its_manifest_and_a_folder_by_its_files(tmp_path: Path) -> None:
    make_product(tmp_path / "made")
    manifest = tmp_path / "made" / "manifest.json"
    assert hash_product(tmp_path / "made") == hash_file(manifest)
    assert hash_product(manifest) == hash_file(manifest)
    plain = tmp_path / "plain"
    plain.mkdir()
    seen = {hash_product(plain)}
    for name, content in [("a", "1"), ("b", "1"), ("b", "2")]:
        (plain / name).write_text(content)
        seen.add(hash_product(plain))
    (plain / "b").rename(plain / "c")
    seen.add(hash_product(plain))
    assert len(seen) == 5


def test_the_code_hash_is_stable() -> None:
    assert hash_code() == hash_code()
    assert len(hash_code()) == 64


def test_the_code_of_a_stage_is_hashed_however_it_is_started() -> None:
    """As a command its door is called ``__main__``, and is no less of what made the product."""
    door = Path(lineage.__file__).parent / "stages" / "gather_pretraining.py"
    tell = "from components.lineage import hash_code; print(hash_code())"
    imported = f"import components.stages.gather_pretraining; {tell}"
    as_main = (
        "import sys, components.stages, components.config, components.stages.door; "
        f"sys.modules['__main__'].__file__ = {str(door)!r}; {tell}"
    )
    told = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for code in (imported, as_main)
    }
    assert len(told) == 1


def test_a_share_above_the_limit_stops_with_the_reasons_and_keeps_the_records(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "made"
    check_share(folder, 0, [], 0.0, "toy")
    check_share(folder, 6, REJECTS, 0.5, "toy")
    assert not folder.exists()
    with pytest.raises(
        UserError, match=r"toy: 3 of 5 records were unusable \(limit 50%\)"
    ) as caught:
        check_share(folder, 5, REJECTS, 0.5, "toy")
    assert caught.value.why.startswith("empty-answer (2); no-image (1). First: b#2")
    kept = list(read_records(folder / "quarantine.parquet", Reject))
    assert [reject.origin for reject in kept] == ["a#0", "a#1", "b#2"]
    assert str(folder / "quarantine.parquet") in caught.value.why


def test_what_a_record_holds_is_not_told_where_it_may_not_be(tmp_path: Path) -> None:
    rejects = [Reject("a#1", "unknown-label", "label is 'mrs quill'")]
    for hide, first in ((False, "a#1: label is 'mrs quill'"), (True, "a#1")):
        with pytest.raises(UserError) as caught:
            check_share(tmp_path, 1, rejects, 0.5, "toy", hide=hide)
        assert f". First: {first}. All: " in caught.value.why


def test_a_manifest_tells_rules_from_faults(tmp_path: Path) -> None:
    manifest = make_product(tmp_path, rules={"no-image", "unheard-of"})
    assert manifest["rules"] == ["no-image"]


def test_a_manifest_is_plain_json(tmp_path: Path) -> None:
    make_product(tmp_path)
    text = (tmp_path / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000], ids=len)
def test_a_manifest_that_is_damaged_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        read_manifest(tmp_path)
