"""What a pickled file may not do, and what may not come out of one."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from components.checkpoints.reading import (
    Inert,
    check_tensors,
    explain,
    find_weights,
    shard,
    unpickle,
)
from components.errors import UserError


class Payload:
    """Pickles as a call."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.arguments


class Flags(Namespace):
    """Not the class that is allowed, though it is one of its kind."""


def plant(name: str, mark: Path) -> tuple[Any, str]:
    """An object that would make the file ``mark`` when read, and the global that must be named."""
    write = f"open({str(mark)!r}, 'w').close()"
    return {
        "system": (Payload(os.system, f"touch {mark}"), f"{os.name}.system"),
        "eval": (Payload(eval, write), "builtins.eval"),
        "exec": (Payload(exec, write), "builtins.exec"),
        "getattr": (Payload(getattr, Payload(__import__, "os"), "system"), "builtins.getattr"),
        "open": (Payload(open, str(mark), "w"), "io.open"),
        "subclass": (Flags(lr=1), f"{Flags.__module__}.Flags"),
        "torch": (Payload(torch.load, str(mark)), "torch.serialization.load"),
        "numpy": (Payload(np.save, str(mark), 1), "numpy.save"),
    }[name]


PAYLOADS = ["system", "eval", "exec", "getattr", "open", "subclass", "torch", "numpy"]


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("name", PAYLOADS)
def test_a_planted_call_is_refused_by_its_name(tmp_path: Path, name: str, is_zip: bool) -> None:
    planted, wanted = plant(name, tmp_path / "ran")
    held = {"model": {"a": torch.ones(2)}, "extra_state": {"metrics": [("x", planted)]}}
    path = tmp_path / "file"
    torch.save(held, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(Exception, match="GLOBAL") as caught:
        unpickle(path)
    assert wanted in explain(caught.value)["what"]
    assert not (tmp_path / "ran").exists()


def test_a_call_in_a_newer_protocol_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    torch.save({"a": Payload(os.system, f"touch {tmp_path / 'ran'}")}, path, pickle_protocol=4)
    with pytest.warns(UserWarning, match="protocol"), pytest.raises(Exception) as caught:
        unpickle(path)
    assert "whole checkpoint" in explain(caught.value)["what"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("is_zip", [True, False])
def test_what_real_files_hold_is_read(tmp_path: Path, is_zip: bool) -> None:
    held = {
        "args": Namespace(lr=[0.1], arch="ofa", inner=Namespace(a=1)),
        "model": OrderedDict(a=torch.ones(2, dtype=torch.float16)),
        "extra_state": {"metrics": [("loss", np.float64(0.5), np.int64(3))], "best": np.float32(2)},
    }
    torch.save(held, tmp_path / "file", _use_new_zipfile_serialization=is_zip)
    read = unpickle(tmp_path / "file")
    assert read["args"] == held["args"]
    assert torch.equal(read["model"]["a"], held["model"]["a"])
    assert isinstance(read["extra_state"]["best"], Inert), "numpy's code does not run"


def test_a_class_of_lightning_as_a_key_is_read_without_lightning(tmp_path: Path) -> None:
    path, name = tmp_path / "file", "pytorch_lightning.callbacks.model_checkpoint"
    stand_in = type("ModelCheckpoint", (), {"__module__": name})
    with pytest.MonkeyPatch.context() as patch:
        for length in (1, 2, 3):
            module = ModuleType(".".join(name.split(".")[:length]))
            patch.setitem(sys.modules, module.__name__, module)
        patch.setattr(sys.modules[name], "ModelCheckpoint", stand_in, raising=False)
        torch.save({"callbacks": {stand_in: {}}, "state_dict": {"a": torch.ones(1)}}, path)
    assert find_weights(unpickle(path), averaged=False)[0] == "state_dict"


def test_compressed_parts_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "plain")
    with (
        zipfile.ZipFile(tmp_path / "plain") as plain,
        zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    with pytest.raises(UserError, match="compressed"):
        unpickle(tmp_path / "bomb")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([1, 2], "holds a list"),
        ({"model": {}}, "0 tensors"),
        ({"model": {"a": 1}}, "a is a int, not a tensor"),
        ({1: torch.ones(1)}, "'1'... is no name"),
        ({"n" * 10**6: torch.ones(1)}, r"'n{40}'... is no name"),
        ({"a\nb": torch.ones(1)}, "is no name"),
        ({"ü": torch.ones(1)}, "is no name"),
        ({"a": torch.ones(1).expand(10**9)}, "more than the file can hold"),
        ({"a": torch.ones(3).to_sparse()}, "not an ordinary tensor"),
        ({"a": torch.ones(3, device="meta")}, "not an ordinary tensor"),
    ],
)
def test_what_is_no_weights_is_refused(held: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_tensors(find_weights(held, averaged=False)[1], limit_bytes=1000)


def test_averages_are_taken_in_the_precision_in_which_they_were_kept() -> None:
    half, whole = torch.ones(1, dtype=torch.float16), torch.ones(1)
    extra = {"ema": {"a": half, "version": half}, "ema_fp32_params": {"a": whole}}
    place, weights, _ = find_weights({"model": {}, "extra_state": extra}, averaged=True)
    assert place == "extra_state.ema"
    assert weights == {"a": whole, "version": half}


def test_a_file_without_averages_says_so() -> None:
    with pytest.raises(UserError, match="no averaged weights"):
        find_weights({"model": {}, "extra_state": None}, averaged=True)


@pytest.mark.parametrize(
    "held",
    [
        {"cfg": {"model": Namespace(a=1, b=[2], c=None), "task": {"a": 3, "d": "x"}}},
        {"cfg": {"model": {"a": 1}, "task": Namespace(d="x")}},
        {"args": Namespace(a=1, d="x", e=Namespace()), "cfg": None},
    ],
)
def test_settings_are_the_plain_ones_and_the_model_comes_first(held: dict[str, Any]) -> None:
    assert find_weights({"model": {}, **held}, averaged=False)[2] == {"a": 1, "d": "x"}


def test_shards_hold_whole_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.checkpoints.reading.SHARD_BYTES", 16)
    tensor = torch.arange(6.0).view(2, 3)
    parts = list(shard({"a": tensor, "b": tensor.T, "c": tensor}))
    assert [list(part) for part in parts] == [["a"], ["b"], ["c"]]
    assert torch.equal(parts[1]["b"], tensor.T) and parts[1]["b"].is_contiguous()


def rewrite(path: Path, change: Any) -> None:
    """Write an archive again, with every part changed by ``change(name, content)``."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(name, change(name, content))


def test_a_part_shorter_than_its_tensor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    torch.save({"model": {"a": torch.ones(64), "b": torch.zeros(64)}}, path)
    rewrite(path, lambda name, content: content[:128] if name.endswith("data/0") else content)
    with pytest.raises(RuntimeError, match="128") as caught:
        unpickle(path)
    assert explain(caught.value)["what"] == "it is not a whole checkpoint"


def test_a_flipped_bit_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    torch.save({"model": {"a": torch.full((64,), 1.5)}}, path)
    content = bytearray(path.read_bytes())
    at = content.index(torch.full((64,), 1.5).numpy().tobytes())
    content[at + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"checksum of its part .*data/0 is wrong"):
        unpickle(path)


def test_limits_that_the_machine_set_lower_stay() -> None:
    script = (
        "import resource as r\n"
        "from components.checkpoints.reading import confine\n"
        "r.setrlimit(r.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "confine(1 << 34, 60, 1 << 30)\n"
        "print(r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_CORE))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{(1 << 20, 1 << 20)} (0, 0)\n", done.stderr
