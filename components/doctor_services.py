"""What ``biomedgpt doctor`` asks beyond this machine: the three engines, and what is named to them.

Nothing is asked that neither the environment, params.yaml nor DVC's configuration names, but
whether the port of a local Prefect server is free.
"""

from __future__ import annotations

import configparser
import http.client
import os
import socket
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from components.cards import CARDS, load_card
from components.checking.listing import list_datasets
from components.config import RELEASED_BPE, Params, load_params
from components.doctor import Finding
from components.errors import UserError
from components.redaction import redact
from components.storage import S3, Bucket, StorageError, split_address

PREFECT_PORT = 4200
TIMEOUT_S = 3.0
NO_SUCH = ".biomedgpt-doctor/"  # a prefix that lists nothing: the bucket is asked, not read
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and for a server that is not "
    "AWS's AWS_ENDPOINT_URL_S3"
)


def examine_services(root: Path, params: Params | None) -> list[Finding]:
    """Prefect and its port, DVC, Ray, S3, vocabulary files; ``params`` is None where faulty."""
    remotes = read_remotes(root / ".dvc")
    buckets = {f"DVC's remote {name}": url for name, url in remotes.items()}
    if params is not None:
        buckets["compute.checkpoints"] = params.compute.checkpoints
        buckets["acquire.root"] = params.acquire.root
    return [
        check_prefect(os.environ.get("PREFECT_API_URL", "")),
        check_port(PREFECT_PORT),
        check_dvc(remotes),
        check_ray(os.environ.get("RAY_ADDRESS", "")),
        *check_buckets({who: url for who, url in buckets.items() if url.startswith(S3)}),
        *([check_vocabulary(params, root / CARDS)] if params is not None else []),
    ]


def read_params(path: Path) -> Params | None:
    """The settings; None where they are faulty, which is a finding of its own."""
    try:
        return load_params(path)
    except UserError:
        return None


def check_library(name: str, say: Callable[[str], Finding]) -> Finding:
    """The installed version, held to what this project asks for; then what ``say`` finds."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("FAIL", name, "not installed", "make install")
    wanted = [Requirement(text) for text in metadata.requires("biomedgpt") or ()]
    for requirement in wanted:
        if requirement.name == name and version not in requirement.specifier:
            words = f"{version}; this project was tried with {requirement.specifier}"
            return Finding("WARN", name, words, "make install")
    return say(version)


def check_prefect(url: str) -> Finding:
    """Prefect, and the server that PREFECT_API_URL names, if it names one."""

    def say(version: str) -> Finding:
        if not url:
            return Finding("OK", "prefect", f"{version}; no server is named, each run has its own")
        if is_prefect(url):
            return Finding("OK", "prefect", f"{version}; its server at {redact(url)} answers")
        words = f"{version}; its server at {redact(url)} does not answer"
        return Finding("WARN", "prefect", words, "prefect server start, or unset PREFECT_API_URL")

    return check_library("prefect", say)


def check_port(port: int) -> Finding:
    """Whether a Prefect server could listen on this machine, or does."""
    if not answers("127.0.0.1", port):
        return Finding("OK", "port", f"{port} is free, for `prefect server start`")
    if is_prefect(f"http://127.0.0.1:{port}/api"):
        return Finding("OK", "port", f"a Prefect server listens on {port}")
    mend = f"end it, or: prefect server start --port {port + 1}, and name that in PREFECT_API_URL"
    return Finding("WARN", "port", f"{port} is another program's", mend)


def check_dvc(remotes: dict[str, str]) -> Finding:
    """DVC, and where `dvc push` would send products."""
    named = ", ".join(f"{name} at {redact(url)}" for name, url in remotes.items())
    told = f"remotes: {named}" if named else "no remote: products stay in this folder"
    return check_library("dvc", lambda version: Finding("OK", "dvc", f"{version}; {told}"))


def read_remotes(folder: Path) -> dict[str, str]:
    """The name and address of each of DVC's remotes, from the two files of its configuration."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read([folder / "config", folder / "config.local"], encoding="utf-8")
    return {
        name.strip("'").removeprefix("remote ").strip('"'): section["url"]
        for name, section in parser.items()
        if name.startswith("'remote ") and "url" in section
    }


def check_ray(address: str) -> Finding:
    """Ray, and the cluster that RAY_ADDRESS names, if it names one."""

    def say(version: str) -> Finding:
        if address in ("", "local"):
            return Finding("OK", "ray", f"{version}; no cluster is named, workers start here")
        parts = urlsplit(address if "://" in address else f"//{address}")
        if parts.hostname and parts.port and answers(parts.hostname, parts.port):
            return Finding("OK", "ray", f"{version}; the cluster at {address} answers")
        words = f"{version}; the cluster at {address} does not answer"
        return Finding("WARN", "ray", words, "ray start --head there, or unset RAY_ADDRESS")

    return check_library("ray", say)


def check_buckets(addresses: dict[str, str]) -> list[Finding]:
    """Each bucket that is named, by whom: whether it answers these credentials."""
    if not addresses:
        return [Finding("OK", "s3", "no bucket is named: checkpoints and remotes are folders")]
    return [check_bucket(who, address) for who, address in addresses.items()]


def check_bucket(who: str, address: str) -> Finding:
    """Lists what is under a prefix that nobody has."""
    name, prefix = split_address(address)
    try:
        Bucket(name, attempts=1, timeout_s=TIMEOUT_S).keys(prefix + NO_SUCH)
    except StorageError as error:
        return Finding("WARN", "s3", f"{who}, {redact(address)}: {redact(str(error))}", CREDENTIALS)
    return Finding("OK", "s3", f"{who}, {redact(address)}: answers")


def check_vocabulary(params: Params, cards: Path) -> Finding:
    """The files of a released vocabulary, where params.yaml asks for one."""
    if params.build_vocabulary.text == "train":
        return Finding("OK", "vocabulary", "is learnt from the training texts; no file is needed")
    try:
        card = load_card(RELEASED_BPE, cards)
        (found,) = list_datasets([card], params.acquire)
    except UserError as error:
        return Finding("FAIL", "vocabulary", error.what, error.next_command or error.why)
    if found.is_ready:
        return Finding("OK", "vocabulary", f"{card.title}: {found.state}, {found.where}")
    return Finding("FAIL", "vocabulary", f"{card.title}: {found.where}", card.source.how_to_get)


def answers(host: str, port: int) -> bool:
    """Whether anything listens there."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return True
    except OSError:
        return False


def is_prefect(url: str) -> bool:
    """Whether a Prefect server answers at the address of an API."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        line = connect(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        line.request("GET", f"{parts.path.rstrip('/')}/health")
        answer = line.getresponse()
        return answer.status == 200 and answer.read(16).strip() == b"true"
    except (OSError, http.client.HTTPException):
        return False
