"""The bucket that DVC pushes to and pulls from: set up and tried, and what goes wrong there told.

DVC is asked by its command line, as a person would ask it. It uploads a folder's files before the
list of them (``.dir``), so that nothing is half published, and sends again only what is missing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from components.checkpoint_places import BucketMirror
from components.errors import UserError
from components.lineage import hash_file
from components.redaction import holds_secret
from components.storage import S3
from components.storage_advice import advise

REMOTE = "store"
NUM_TRIED_BYTES = 1 << 16
NO_REMOTE = r"no remote\s*(?:specified|provided)|config file error: no remote"
# DVC's last words tell no cause: a count, or, where the one file of a folder that was missing did
# not arrive, that it cannot move what is not there
NO_CAUSE = r"failed to (pull|push|fetch) data|unexpected error - \[Errno 2\].*\.tmp'"
NOT_THERE = r"missing-files|neither locally nor on remote|Checkout failed|missing cache"


def set_remote(address: str, endpoint: str = "") -> None:
    """Let DVC push to ``s3://bucket/prefix``, once it was seen that one can write and read there.

    What is pulled from it is compared with its hash. ``endpoint`` is the address of another server
    than AWS's. Raises UserError, and leaves DVC's settings as they are, where the trial fails, and
    where an address cannot stand in them: git keeps them, and DVC empties the file over a letter
    that is not ASCII.
    """
    _check_address(address, endpoint)
    try_remote(address, endpoint)
    _configure("remote", "add", "--quiet", "--default", "--force", REMOTE, address)
    _configure("remote", "modify", REMOTE, "verify", "true")
    if endpoint:
        _configure("remote", "modify", REMOTE, "endpointurl", endpoint)


def _check_address(address: str, endpoint: str) -> None:
    if not re.fullmatch(r"s3://[^/]+(/.*)?", address):
        raise UserError(
            f"{address!r} is no address of a bucket",
            next_command="biomedgpt remote s3://BUCKET/PREFIX",
        )
    if endpoint and not re.fullmatch(r"https?://[^/]+(/.*)?", endpoint):
        raise UserError(
            f"{endpoint!r} is no address of a server",
            next_command=f"biomedgpt remote {address} --endpoint https://HOST",
        )
    for text in (address, endpoint):
        if holds_secret(text):
            raise UserError(
                "the address holds what looks like a secret",
                why="it would stand in .dvc/config, which git keeps",
                next_command="leave it out: credentials belong in the environment or in ~/.aws",
            )
        if not (text.isascii() and text.isprintable()):
            raise UserError(
                f"{text!r} holds a letter that DVC's settings cannot",
                next_command="take another prefix: letters, digits and signs of ASCII",
            )


def try_remote(address: str, endpoint: str = "") -> None:
    """Write a small object under an address, find it, read it back and remove it.

    Raises UserError with what the server refuses, and the next command.
    """
    place = BucketMirror(address, endpoint=endpoint, attempts=3, timeout_s=20.0)
    key = f"tried-{uuid.uuid4().hex}"  # several people may try at once
    with tempfile.TemporaryDirectory() as folder:
        sent, back = Path(folder, "sent"), Path(folder, "back")
        sent.write_bytes(os.urandom(NUM_TRIED_BYTES))
        place.upload(sent, key)
        try:
            listed = place.keys()
            place.download(key, back)
        finally:
            place.remove(key)
        if key not in listed or hash_file(sent) != hash_file(back):
            raise UserError(
                f"{address} does not give back what was written",
                why="the object is not listed" if key not in listed else "the bytes are other ones",
                next_command="ask who runs the server; DVC needs one that reads what was written",
            )


def transfer(word: str, targets: Sequence[str]) -> None:
    """``dvc push``, ``pull`` or ``fetch`` of stages or paths; of none: of all that is known.

    Raises UserError with one sentence, its cause as the server tells it, and the next command.
    """
    status, told = _run_dvc(word, *targets)
    if status == 0:
        return
    command = " ".join(["biomedgpt", word, *targets])
    last = _last_error(told)
    if re.search(NO_REMOTE, told):
        raise UserError(
            f"dvc {word} knows no bucket", next_command="biomedgpt remote s3://BUCKET/PREFIX"
        )
    if re.search(NOT_THERE, told) and not re.search(r"An error occurred|connect", told):
        raise UserError(
            f"dvc {word}: some files are neither here nor in the bucket as they should be",
            why=last,
            next_command="biomedgpt push where they were made, or biomedgpt run, which makes them",
        )
    why = _ask_bucket() or last
    raise UserError(
        f"dvc {word} did not finish; what has arrived stays and is not sent again",
        why=why,
        next_command=advise(why, f"{command}; it goes on where it stopped"),
    )


def _ask_bucket() -> str:
    """What the bucket says when it is listed now: "" where it answers, or is none.

    DVC asks by HEAD, whose refusals give no reason; a listing's do.
    """
    address, endpoint = _read_remote()
    if not address.startswith(S3):
        return ""
    try:
        BucketMirror(f"{address}/tried-", endpoint=endpoint, attempts=2, timeout_s=20.0).keys()
    except UserError as error:
        return error.why
    return ""


def _read_remote() -> tuple[str, str]:
    values = read_settings(Path())
    section = f"remote.{values.get('core.remote', REMOTE)}"
    return values.get(f"{section}.url", ""), values.get(f"{section}.endpointurl", "")


def read_settings(root: Path) -> dict[str, str]:
    """DVC's settings that hold in a folder, by ``section.key``: of system, user, project and clone.

    UserError where DVC cannot read one of its files.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--list"],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )
    if listed.returncode:
        raise UserError(
            "DVC's configuration cannot be read",
            why=_last_error(listed.stderr),
            next_command="mend .dvc/config, .dvc/config.local or your own (dvc config --list "
            "--show-origin), or take the file from another clone",
        )
    return dict(line.split("=", 1) for line in listed.stdout.splitlines() if "=" in line)


def _configure(*words: str) -> None:
    status, told = _run_dvc(*words)
    if status:
        raise UserError(
            f"dvc {' '.join(words)} failed",
            why=_last_error(told),
            next_command="look at .dvc/config and .dvc/config.local",
        )


def _run_dvc(*words: str) -> tuple[int, str]:
    """Exit status and what DVC said on stderr, which is shown as it comes, bars of progress too."""
    shown = {"DVC_IGNORE_ISATTY": "1"} if sys.stderr.isatty() else {}
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *words],
        stderr=subprocess.PIPE,
        env={**os.environ, **shown},
        bufsize=0,
    )
    told = []
    with process:
        while chunk := process.stderr.read(4096) if process.stderr else b"":
            told.append(chunk.decode(errors="replace"))
            sys.stderr.write(told[-1])
            sys.stderr.flush()
    return process.returncode, "".join(told)


def _last_error(told: str) -> str:
    lines = [line.strip() for line in re.split(r"[\r\n]+", told)]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    errors = [line for line in errors if not re.match(NO_CAUSE, line)] or errors
    return errors[-1] if errors else next(filter(None, reversed(lines)), "")
