"""A process of its own that reads a pickled checkpoint, with limits, and hands plain tensors back.

A pickled file is a program. torch's reader of weights runs it with a short list of what it may
call; should that ever fail, the process has no more memory, time and disk than the file's size
calls for, and none of the caller's environment. What comes back is safetensors and JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from components.errors import UserError

RESULT = "result.json"
SHARD_BYTES = 256 * 2**20
MAX_TENSORS, MAX_NAME, MAX_TEXT = 100_000, 256, 256
# Three tied copies may share one part of the file, so that a whole may be thrice its file.
MAX_GROWTH, ROOM_BYTES = 4, 16 * 2**20
GLOBAL = re.compile(r"GLOBAL ([^\s,]{1,200})")


class Inert:
    """Stands for what a checkpoint may mention and nobody needs: takes anything, does nothing."""

    # Empty on purpose: unpickling calls both, and what they are given comes from the file.

    def __init__(self, *_: object) -> None:
        """Keep nothing."""

    def __setstate__(self, _: object) -> None:
        """Keep nothing."""


# Beyond torch's own list: the flags of fairseq; numpy's numbers among its metrics; and a class
# that Lightning uses as a key. The last two are never built.
ALLOWED: list[Any] = [
    argparse.Namespace,
    *(
        (Inert, name)
        for name in (
            "numpy.dtype",
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
            "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
        )
    ),
]


def confine(memory_bytes: int, cpu_s: int, disk_bytes: int) -> None:
    """Limit this process: memory and time on top of what it has used, and what it may write."""
    used_s = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + 1
    _limit(resource.RLIMIT_CPU, used_s + cpu_s, used_s + cpu_s + 5)
    _limit(resource.RLIMIT_FSIZE, disk_bytes, disk_bytes)
    _limit(resource.RLIMIT_CORE, 0, 0)
    if sys.platform == "linux":  # elsewhere a process's address space has no limit that holds
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        _limit(resource.RLIMIT_AS, limit, limit)


def _limit(kind: int, soft: int, hard: int) -> None:
    """Lower a limit; one that whoever runs this machine has set lower stays, as it cannot grow."""
    most = resource.getrlimit(kind)[1]
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def unpickle(path: Path) -> Any:
    """What a pickled file holds, by torch's reader of weights and our list alone."""
    if zipfile.is_zipfile(path):
        refuse_script(path)
        check_archive(path)
    with torch.serialization.safe_globals(ALLOWED):
        # Not mapped: torch compares a part's length with its tensor only where it reads it.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=False)


def refuse_script(path: Path) -> None:
    """UserError for a program of TorchScript, which is an archive of the same kind."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.rsplit("/", 1)[-1] == "constants.pkl" for name in names):
        raise UserError(
            "it is a TorchScript program, not weights by name",
            why="a program would have to be run to read it; import the checkpoint it was made from",
        )


def check_archive(path: Path) -> None:
    """UserError where an archive's parts are compressed, larger than itself, or damaged.

    torch does not look at the checksums of an archive: it would read a flipped bit as a weight.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise UserError("its parts are compressed, which those of a checkpoint never are")
        if sum(part.file_size for part in parts) > path.stat().st_size:
            raise UserError("its parts are larger than the file")
        damaged = archive.testzip()
    if damaged is not None:
        raise UserError(f"it is damaged: the checksum of its part {damaged[:MAX_NAME]} is wrong")


def find_weights(held: Any, averaged: bool) -> tuple[str, Any, dict[str, Any]]:
    """Where the weights lie in a file, the weights, and the settings beside them.

    fairseq keeps them under ``model``, Lightning under ``state_dict``, the port as they are.
    ``averaged`` asks for fairseq's running average, in float32 where that was kept.
    """
    if not isinstance(held, dict):
        raise UserError(f"it holds a {type(held).__name__}, no tensors by name")
    if averaged:
        extra = held.get("extra_state")
        extra = extra if isinstance(extra, dict) else {}
        kept = [
            extra[key] for key in ("ema", "ema_fp32_params") if isinstance(extra.get(key), dict)
        ]
        if not kept:
            raise UserError("it holds no averaged weights", why="extra_state has no ema")
        return "extra_state.ema", {k: v for part in kept for k, v in part.items()}, _settings(held)
    for key in ("model", "state_dict"):
        if isinstance(held.get(key), dict):
            return key, held[key], _settings(held)
    return "", held, {}


def _settings(held: Mapping[Any, Any]) -> dict[str, Any]:
    """Plain values of ``cfg.task`` and ``cfg.model``, or of the older ``args``."""
    cfg = _as_dict(held.get("cfg"))
    parts = [cfg.get("task"), cfg.get("model")] if cfg else [held.get("args")]
    return {
        key: value
        for part in parts
        for key, value in _as_dict(part).items()
        if isinstance(key, str) and len(key) <= MAX_TEXT and _is_plain(value)
    }


def _as_dict(value: Any) -> dict[Any, Any]:
    if isinstance(value, argparse.Namespace):
        return vars(value)
    return value if isinstance(value, dict) else {}


def _is_plain(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**53
    return isinstance(value, bool | float) or (isinstance(value, str) and len(value) <= MAX_TEXT)


def check_tensors(weights: Mapping[Any, Any], limit_bytes: int) -> None:
    """UserError where these are no tensors by name, or hold more than ``limit_bytes`` together."""
    if not 0 < len(weights) <= MAX_TENSORS:
        raise UserError(f"it holds {len(weights)} tensors, not 1 to {MAX_TENSORS}")
    total = 0
    for name, value in weights.items():
        if not isinstance(name, str) or len(name) > MAX_NAME or not name.isascii():
            raise UserError(f"{str(name)[:40]!a}... is no name of a tensor")
        if not name.isprintable():
            raise UserError(f"{name!a} is no name of a tensor")
        if not isinstance(value, Tensor):
            raise UserError(f"{name} is a {type(value).__name__}, not a tensor")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise UserError(f"{name} is not an ordinary tensor")
        total += value.numel() * value.element_size()
    if total > limit_bytes:
        raise UserError(f"its tensors would fill {total:,} bytes, more than the file can hold")


def shard(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Copies of the tensors, some at a time, so that no more than that is in memory."""
    part: dict[str, Tensor] = {}
    size = 0
    for name, value in weights.items():
        part[name] = value.detach().clone(memory_format=torch.contiguous_format)
        size += value.numel() * value.element_size()
        if size >= SHARD_BYTES:
            yield part
            part, size = {}, 0
    if part:
        yield part


def hand_over(path: Path, averaged: bool) -> dict[str, Any]:
    """Write the file's tensors as shards into this folder; return where they lay and settings."""
    place, weights, settings = find_weights(unpickle(path), averaged)
    check_tensors(weights, path.stat().st_size * MAX_GROWTH + ROOM_BYTES)
    for number, part in enumerate(shard(weights)):
        save_file(part, f"{number:05}.safetensors")
    return {"place": place, "settings": settings}


def explain(error: Exception) -> dict[str, str]:
    """What went wrong, in words for a person."""
    text = str(error)
    if isinstance(error, UserError):
        return {"what": error.what, "why": error.why}
    if named := GLOBAL.search(text):
        name = named[1] if "." in named[1] else f"builtins.{named[1]}"
        return {
            "what": f"it is refused: it wants to call {name}",
            "why": "weights never need that, and it could do anything; nothing of it was run",
        }
    if isinstance(error, MemoryError) or "alloc" in text:
        return {"what": "it needs more memory than a file of its size may take", "why": ""}
    if "weights_only" in text and "WeightsUnpickler error:" not in text:  # torch's advice
        return {"what": "it is no checkpoint that is read safely", "why": type(error).__name__}
    lines = text.rsplit("WeightsUnpickler error:", maxsplit=1)[-1].strip().splitlines() or [""]
    return {
        "what": "it is not a whole checkpoint",
        "why": f"{type(error).__name__}: {lines[0][:MAX_TEXT]}",
    }


def main() -> None:
    """Read the file that the request names; leave shards and a result in this folder."""
    request = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    confine(request["memory_bytes"], request["cpu_s"], request["disk_bytes"])
    try:
        result = hand_over(Path(request["file"]), request["averaged"])
    except Exception as error:  # whatever it is, the file is the cause, and the parent must know
        result = explain(error)
    Path(RESULT).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
