"""What ``biomedgpt doctor`` finds, and how it says to mend it."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest
import torch

from components.doctor import (
    GB,
    check_disk,
    check_gpu,
    check_lock,
    check_memory,
    check_params,
    check_privacy,
    check_python,
    check_torch,
    check_writable,
    examine,
)
from components.profiles.overlay import write_params


def has_cuda() -> bool:
    """Whether torch can use a GPU."""
    return torch.cuda.is_available()


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 10), "FAIL"), ((3, 11), "OK"), ((3, 12), "OK"), ((3, 13), "FAIL"), ((4, 11), "FAIL")],
)
def test_python(version: tuple[int, int], level: str) -> None:
    finding = check_python(version)
    assert finding.level == level
    assert bool(finding.mend) == (level == "FAIL")


@pytest.mark.parametrize(("free", "level"), [(9.9, "WARN"), (10, "OK")])
def test_disk(free: float, level: str) -> None:
    assert check_disk(int(free * GB)).level == level


@pytest.mark.parametrize(("total", "level"), [(5.9, "WARN"), (6, "OK")])
def test_memory(total: float, level: str) -> None:
    assert check_memory(int(total * GB)).level == level


def test_parameters(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert check_params(path).words.endswith("params.yaml is missing")
    write_params("demo", target=path)
    assert check_params(path).words == "profile demo"
    path.write_text(path.read_text().replace("seed:", "sed:"))
    finding = check_params(path)
    assert finding.level == "FAIL"
    assert "sed: unknown key; did you mean seed?" in finding.words


def test_a_lock_is_held_only_while_somebody_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert check_lock(path).level == "OK"
    path.write_text(" 4321\n")
    assert check_lock(path).level == "OK"
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        finding = check_lock(path)
    assert (finding.level, finding.words[:20]) == ("WARN", "held by process 4321")
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # one that only looks, as this does
        assert check_lock(path).level == "OK"


def test_folders_open_to_others_are_named(tmp_path: Path) -> None:
    assert check_privacy(tmp_path).level == "OK"
    for name, mode in (("cache", 0o755), ("site", 0o700)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    assert check_privacy(tmp_path).mend == "chmod 700 .dvc/cache"
    (tmp_path / "cache").chmod(0o700)
    assert check_privacy(tmp_path).level == "OK"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert check_writable(tmp_path).level == "FAIL"
    tmp_path.chmod(0o700)


def test_this_machine(tmp_path: Path) -> None:
    write_params("demo", target=tmp_path / "params.yaml")
    assert check_torch().level == "OK"
    assert check_gpu("auto").subject == "gpu"
    findings = examine(tmp_path)
    assert [finding.subject for finding in findings] == [
        "python",
        "torch",
        "gpu",
        "disk",
        "memory",
        "folder",
        "params",
        "lock",
        "privacy",
    ]
    assert all(finding.mend for finding in findings if finding.level != "OK")


def test_a_torch_that_is_not_there_is_a_finding_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params("demo", target=tmp_path / "params.yaml")
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it was never installed
    (finding,) = (finding for finding in examine(tmp_path) if finding.subject == "gpu")
    assert finding.level == "FAIL" and "torch cannot be loaded" in finding.words
    assert finding.mend == "make clean install"


@pytest.mark.skipif(has_cuda(), reason="there is a GPU here")
def test_a_gpu_that_is_asked_for_and_not_there_stops_the_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    write_params("demo", target=path)
    path.write_text(path.read_text().replace("device: auto", "device: cuda"))
    (finding,) = (finding for finding in examine(tmp_path) if finding.subject == "gpu")
    assert finding.level == "FAIL"
    assert finding.mend
