"""What a full disk or a power cut leaves of the files that DVC keeps its books in, put right.

DVC writes them in place, so that they may end in the middle; then it refuses each command until a
person takes them away. They are mended here before DVC is asked, in words that a person is shown.
"""

from __future__ import annotations

import errno
import json
import os
import re
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import yaml
from filelock import FileLock

IN_USE = Path(".dvc/tmp/rwlock")  # DVC's list of the files that its commands work on
GUARD = Path(".dvc/tmp/rwlock.lock")  # DVC holds it while it changes the list
GUARD_S = 10.0
RUNS = Path(".dvc/cache/runs")
OBJECTS = Path(".dvc/cache/files/md5")
LOOKED = Path(".dvc/tmp/biomedgpt.looked")  # when the cache was looked at after the machine started
WRITABLE = 0o644
LOCK = Path("dvc.lock")
TORN = Path("dvc.lock.torn")
STAGE = re.compile(r"^  \S.*:$", re.MULTILINE)
CONFLICT = re.compile(r"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)  # git's: no end was cut off
NUM_LEADING = 5  # words of a command line that may name the program: python -P -m dvc daemon


def mend_books(root: Path = Path()) -> list[str]:
    """Take away what DVC fails on and a person would have to remove; a line on each for a person.

    What a DVC command that works here may be writing is left alone.
    """
    mended = (drop_torn_list(root), drop_empty_runs(root), distrust_objects(root))
    return [words for words in mended if words]


def distrust_objects(root: Path = Path()) -> str:
    """Let DVC look at the objects of its cache again that were written before the machine started.

    A power cut may have taken the end of some, and DVC trusts whatever cannot be written to: it
    would hand out half a product, and push it. It hashes what can be, once. What to tell, or "".
    """
    marker = root / LOOKED
    before = marker.stat().st_mtime if marker.is_file() else 0.0
    if before > psutil.boot_time():
        return ""
    num = sum(_distrust(path, before) for path in (root / OBJECTS).glob("??/*"))
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    started = "the machine was started since they were written: DVC looks at them again"
    return f"{num} objects of {OBJECTS}: {started}" if num and before else ""


def _distrust(path: Path, before: float) -> bool:
    """Let an object be written to if it was written since ``before``; whether it was."""
    try:
        if path.stat().st_ctime <= before:
            return False
        path.chmod(WRITABLE)
    except FileNotFoundError:  # a command that works here has given it its name since
        return False
    return True


def drop_empty_runs(root: Path = Path()) -> str:
    """Remove folders of DVC's cache of runs that hold none: it fails on them ("join() argument").

    DVC itself removes a torn record of a run, and leaves the folder. What to tell of it, or "".
    """
    empty = [path for path in (root / RUNS).glob("*/*") if _is_empty(path)]
    if not empty or find_commands(root):
        return ""
    num = sum(map(_remove_empty, empty))
    return f"{RUNS} held {num} empty folders, on which DVC fails: removed them" if num else ""


def _is_empty(path: Path) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):  # another stage's task removes them too
        return not any(path.iterdir())
    return False


def _remove_empty(folder: Path) -> bool:
    """Remove a folder that was empty; False where another was first, or DVC has filled it since."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise
        return False
    return True


def drop_torn_list(root: Path = Path()) -> str:
    """Remove DVC's list of files in use where it was cut off and no DVC command works here.

    What to tell a person of it; "" where there was nothing to do, or somebody still works.
    """
    path = root / IN_USE
    if _is_json(path):
        return ""
    # The system lets go of the guard with its process: whoever holds it is writing at this moment.
    with FileLock(root / GUARD, GUARD_S):
        if _is_json(path) or find_commands(root):
            return ""
        path.unlink(missing_ok=True)
    return f"{IN_USE} had been cut off, and no DVC command works here: removed it"


def _is_json(path: Path) -> bool:
    """Whether a file is JSON, or is not there."""
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


def find_commands(root: Path) -> list[int]:
    """The processes of DVC commands, other than this one, that were started in a project."""
    home, found = root.resolve(), []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        leading = [Path(word).name for word in (process.info["cmdline"] or [])[:NUM_LEADING]]
        place = Path(process.info["cwd"] or os.devnull)
        works = "dvc" in leading and "daemon" not in leading  # that one asks for news of DVC
        if works and (place == home or home in place.parents):
            found.append(process.pid)
    return sorted(set(found) - {os.getpid()})


def keep_whole_stages(root: Path = Path()) -> str:
    """Take the stage at which a torn dvc.lock ends out of it, and keep the torn file beside it.

    What to tell a person of it; "" where its end was not cut off, where more is amiss than that,
    and while a DVC command, which may be writing it, works here.
    """
    path = root / LOCK
    text = path.read_bytes().decode(errors="replace") if path.is_file() else "stages: {}\n"
    begins = [found.start() for found in STAGE.finditer(text)]
    whole = text[: begins[-1]] if begins else ""
    if _is_whole(text) or CONFLICT.search(text) or (len(begins) > 1 and not _is_whole(whole)):
        return ""
    if find_commands(root):
        return ""
    path.replace(root / TORN)
    if len(begins) > 1:
        path.write_text(whole)
    return (
        f"{LOCK} had been cut off: its {max(len(begins) - 1, 0)} whole stages are kept, and the "
        f"torn file as {TORN}; other stages come from DVC's cache, or are made again"
    )


def _is_whole(text: str) -> bool:
    """Whether text is a dvc.lock whose every stage tells the hash of all that it names."""
    try:
        stages = list(yaml.safe_load(text)["stages"].values())
        named = [*(stage["cmd"] for stage in stages), *chain.from_iterable(map(_hashes, stages))]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return False
    return text.endswith("\n") and all(named)


def _hashes(stage: dict[str, Any]) -> list[str]:
    items = [*stage.get("deps", []), *stage.get("outs", [])]
    return [item[item.get("hash", "md5")] for item in items]
