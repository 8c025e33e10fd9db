"""What a full disk or a power cut leaves of DVC's books is put right by the next run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows import torn
from flows.graph import make_plan
from flows.stage import reproduce
from flows.torn import (
    IN_USE,
    LOCK,
    LOOKED,
    OBJECTS,
    RUNS,
    TORN,
    distrust_objects,
    drop_empty_runs,
    drop_torn_list,
    find_commands,
    keep_whole_stages,
)

STAGES = {
    name: {"cmd": f"echo {name} > {name}", "deps": deps, "outs": [name]}
    for name, deps in {"a": ["seed"], "b": ["a"], "c": ["b"]}.items()
}
TELLING = {"write": {"data/x": {"pid": 1, "cmd": "dvc repro"}}}
LONG_LOCK = yaml.safe_dump(
    {
        "schema": "2.0",
        "stages": {
            f"stage@{number}": {
                "cmd": "python -m x",
                "deps": [{"path": "a", "hash": "md5", "md5": "0" * 32, "size": 12}],
                "outs": [{"path": f"{number}", "hash": "md5", "md5": "1" * 32 + ".dir"}],
            }
            for number in range(4)
        },
    },
    sort_keys=False,
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three small stages, up to date."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path.with_name("site")))
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(".dvc").mkdir()  # as `dvc init` does, which leaves a process that asks for news of DVC
    Path(".dvc/config").write_text("[core]\nanalytics = false\ncheck_update = false\n")
    Path("seed").write_text("seed")
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], check=True)
    return tmp_path


@pytest.fixture
def other_command(tmp_path: Path) -> Iterator[int]:
    """The process of a DVC command that works in the project for as long as the test takes."""
    script = tmp_path / "dvc"
    script.write_text("import sys\nprint('here', flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, script.name, "repro"], cwd=tmp_path,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.parametrize("kept", [0, 5, len(json.dumps(TELLING)) - 1])
def test_a_torn_list_of_files_in_use_is_dropped_and_told_of(project: Path, kept: int) -> None:
    (project / IN_USE).write_text(json.dumps(TELLING)[:kept])
    refused = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], capture_output=True, text=True, check=False
    )
    assert "Unable to read RWLock-file" in refused.stderr  # DVC goes on with it, one day
    told = list[str]()
    assert make_plan(tell_wait=told.append).upstream == {}
    (project / IN_USE).write_text(json.dumps(TELLING)[:kept])
    assert reproduce("a", told.append).status == "cached"
    assert told == 2 * [f"{IN_USE} had been cut off, and no DVC command works here: removed it"]


def test_a_record_of_a_run_that_dvc_threw_away_stops_nobody(project: Path) -> None:
    (record,) = [path for path in Path(RUNS).glob("*/*/*") if "echo b" in path.read_text()]
    record.unlink()
    for path in (Path("b"), Path(LOCK)):
        path.unlink()
    refused = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "a", "b"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "join() argument" in refused.stderr  # DVC goes on with it, one day
    told = list[str]()
    assert [reproduce(stage, told.append).status for stage in "ab"] == ["cached", "ran"]
    assert told[0] == f"{RUNS} held 1 empty folders, on which DVC fails: removed them"


def test_half_an_object_is_no_product_after_a_power_cut(project: Path) -> None:
    make_plan()
    made = {name: Path(name).read_bytes() for name in STAGES}
    (cached,) = [path for path in Path(OBJECTS).glob("??/*") if path.read_bytes() == made["b"]]
    os.utime(LOOKED, (1.0, 1.0))  # the machine was started after that
    for path in (cached, Path("b")):
        os.truncate(path, 1)
    cached.chmod(0o444)
    told = list[str]()
    assert list(make_plan(tell_wait=told.append).upstream) == ["b", "c"]
    assert reproduce("b", told.append).status == "ran"
    assert {name: Path(name).read_bytes() for name in STAGES} == made
    assert cached.read_bytes() == made["b"]
    assert told[0].startswith(f"3 objects of {OBJECTS}: the machine was started")
    assert make_plan(tell_wait=told.append).upstream == {} and len(told) == 1


def test_what_was_written_since_the_machine_started_is_trusted(project: Path) -> None:
    make_plan()
    modes = {path.stat().st_mode & 0o777 for path in Path(OBJECTS).glob("??/*")}
    make_plan()
    assert modes == {path.stat().st_mode & 0o777 for path in Path(OBJECTS).glob("??/*")}
    Path(OBJECTS, "ab").mkdir()
    fresh = Path(OBJECTS, "ab", "c" * 30)
    fresh.touch(0o444)
    fresh.chmod(0o444)
    assert distrust_objects() == "" and fresh.stat().st_mode & 0o777 == 0o444


def test_an_object_that_another_command_renames_meanwhile_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, chmod = tmp_path / OBJECTS / "ab", Path.chmod
    folder.mkdir(parents=True)
    for name in ("1", "2", ".3.tmp"):
        (folder / name).touch()

    def rename_others(path: Path, mode: int) -> None:
        chmod(path, mode)
        for other in folder.iterdir():
            if other != path and ".whole" not in other.name:
                other.replace(f"{other}.whole")

    monkeypatch.setattr(Path, "chmod", rename_others)
    assert distrust_objects(tmp_path) == ""  # of a first look there is nothing to tell
    assert (tmp_path / LOOKED).is_file()


def test_empty_runs_that_others_remove_or_fill_meanwhile_stop_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / RUNS / name for name in ("ab/1", "ab/2", "cd/3")]
    for folder in folders:
        folder.mkdir(parents=True)

    def change_meanwhile(_: Path) -> list[int]:
        folders[0].rmdir()  # the task of another stage looks at the same time
        (folders[1] / "record").touch()
        return []

    monkeypatch.setattr(torn, "find_commands", change_meanwhile)
    assert " 1 empty folders" in drop_empty_runs(tmp_path)
    assert [folder.exists() for folder in folders] == [False, True, False]


def test_the_list_of_a_command_that_works_stays(tmp_path: Path, other_command: int) -> None:
    path = tmp_path / IN_USE
    path.parent.mkdir(parents=True)
    path.write_text('{"write": {"da')
    assert find_commands(tmp_path) == [other_command]
    assert drop_torn_list(tmp_path) == "" and path.exists()
    assert find_commands(tmp_path / "elsewhere") == []


def test_a_whole_list_stays(tmp_path: Path) -> None:
    assert drop_torn_list(tmp_path) == ""
    (tmp_path / IN_USE).parent.mkdir(parents=True)
    (tmp_path / IN_USE).write_text(json.dumps(TELLING))
    assert drop_torn_list(tmp_path) == "" and (tmp_path / IN_USE).exists()


def read_hashes(lock: bytes) -> dict[str, str]:
    """The hash of each product."""
    stages = yaml.safe_load(lock)["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8, 0.99])
def test_a_run_goes_on_from_a_torn_dvc_lock(project: Path, share: float) -> None:
    whole = (project / LOCK).read_bytes()
    (project / LOCK).write_bytes(whole[: int(share * len(whole))])
    told = list[str]()
    for stage in make_plan(tell_wait=told.append).upstream:
        assert reproduce(stage, told.append).status == "cached"  # from DVC's cache of runs
    assert read_hashes((project / LOCK).read_bytes()) == read_hashes(whole)
    assert make_plan().upstream == {}
    assert all("had been cut off" in line for line in told)


@given(st.integers(0, len(LONG_LOCK)))
def test_no_stage_is_kept_that_was_not_whole(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, wanted = Path(folder), yaml.safe_load(LONG_LOCK)["stages"]
        (root / LOCK).write_text(LONG_LOCK[:cut])
        told = keep_whole_stages(root)
        assert (root / TORN).exists() == bool(told)
        if (root / LOCK).exists():
            found = yaml.safe_load((root / LOCK).read_text())["stages"]
            last = list(found)[-1]
            assert all(found[name] == wanted[name] for name in found if name != last)
            # At its end a whole item or key may be missing, which DVC sees; no half one is kept.
            assert found[last]["cmd"] == wanted[last]["cmd"]
            for key in ("deps", "outs"):
                kept = zip(found[last].get(key, []), wanted[last][key], strict=False)
                assert all(half.items() <= whole.items() for half, whole in kept)
        else:
            assert LONG_LOCK[:cut].count("cmd:") <= 1


def test_a_conflict_is_a_persons_to_settle(project: Path) -> None:
    whole = (project / LOCK).read_text()
    (project / LOCK).write_text(f"{whole}<<<<<<< ours\n  d:\n    cmd: x\n=======\n>>>>>>> theirs\n")
    assert keep_whole_stages(project) == ""


def test_a_dvc_lock_that_is_being_written_stays(tmp_path: Path, other_command: int) -> None:
    (tmp_path / LOCK).write_text(LONG_LOCK[:-20])
    assert keep_whole_stages(tmp_path) == ""
    assert (tmp_path / LOCK).read_text() == LONG_LOCK[:-20]
