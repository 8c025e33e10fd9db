"""params.yaml = defaults.yaml, overlaid with one profile, overlaid with where the raw files are."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from components.config import PARAMS_FILE, Params
from components.errors import UserError
from components.schema import load_yaml, validate
from components.storage import S3

FOLDER = Path(__file__).parent
DEFAULTS = "defaults"
HEADER = """\
# Every number a person may change: one section per stage, and what several stages share.
# `biomedgpt use {profile}` writes this file; change it freely, DVC runs what your change touches.
"""


def write_params(profile: str, *, raw: str | None = None, target: Path = PARAMS_FILE) -> Params:
    """Write params.yaml for a profile; returns the checked parameters.

    ``raw`` names the folder of the user's own raw files, or s3://bucket/prefix, and sets
    ``acquire.mode: local``. UserError for an unknown profile, an unknown key in one, or a folder
    or bucket that is not there; the old file then stays as it was.
    """
    values = read_profile(profile)
    if raw is not None:
        changes = {"acquire": {"mode": "local", **describe_raw(raw, profile)}}
        values = merge(values, changes, "--raw")
    params = validate(Params, values, f"profile {profile}")
    if params.acquire.mode == "local" and not params.acquire.root:
        raise UserError(
            f"profile {profile} takes raw files from a folder, and none was named",
            next_command=f"biomedgpt use {profile} --raw FOLDER",
        )
    # of two who do so at once, each has a file of its own until it is whole
    partial = target.with_name(f"{target.name}.partial-{secrets.token_hex(4)}")
    try:
        partial.write_text(render_params(values))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return params


def describe_raw(raw: str, profile: str) -> dict[str, str]:
    """``acquire.root`` and ``acquire.state`` of a folder or bucket; UserError where it is none."""
    if raw.startswith(S3):
        from components.acquire.bucket_root import BucketRoot

        bucket = BucketRoot(raw)
        return {"root": bucket.address, "state": bucket.describe()}
    folder = Path(raw).expanduser()
    if not raw.strip() or not folder.is_dir():  # an empty path is the current folder
        raise UserError(
            f"--raw {raw!r} is not a folder",
            next_command=f"biomedgpt use {profile} --raw FOLDER, or --raw s3://BUCKET/PREFIX",
        )
    return {"root": str(folder.resolve()), "state": describe_folder(folder)}


def describe_folder(folder: Path) -> str:
    """A hash over name, size and time of every file below a folder.

    DVC follows params.yaml and not the folder: with this it notices that raw files changed.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names):
        with suppress(FileNotFoundError):  # whoever copies files there gives them other names
            if path.is_file():
                found = path.stat()
                name = path.relative_to(folder).as_posix()
                digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def read_profile(name: str) -> dict[str, Any]:
    """The values of a profile: the defaults with its overlay. UserError when it is not known."""
    known = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != DEFAULTS)
    if name not in known:
        raise UserError(f"no profile named {name!r}", why=f"known: {', '.join(known)}")
    defaults = load_yaml(FOLDER / f"{DEFAULTS}.yaml")
    overlay = load_yaml(FOLDER / f"{name}.yaml") or {}
    return merge(defaults, {**overlay, "profile": name}, f"profile {name}")


def merge(values: dict[str, Any], overlay: dict[str, Any], where: str) -> dict[str, Any]:
    """``values`` with the overlay's, section by section, in the order of ``values``.

    A key that ``values`` lacks is kept for the check of the whole, which names it and the
    allowed ones. UserError when a section is overlaid with something else.
    """
    merged = dict(values)
    for key, new in overlay.items():
        old = merged.get(key)
        if isinstance(old, dict):
            if not isinstance(new, dict):
                raise UserError(f"{where}: {key} is a section, not {new!r}")
            merged[key] = merge(old, new, f"{where}: {key}")
        else:
            merged[key] = new
    return merged


def render_params(values: dict[str, Any]) -> str:
    """The text of params.yaml: block style, in the order of the defaults."""
    body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    return HEADER.format(profile=values["profile"]) + body
