"""What ``biomedgpt doctor`` asks beyond this machine: the three engines, and what is named to them.

Nothing is asked that neither the environment, params.yaml nor DVC's configuration names, but
whether the ports of a local Prefect server and of the web page are free.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
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
from components.remote import read_settings
from components.storage import S3, Bucket, StorageError, split_address

PREFECT_PORT = 4200
WEB_PORT = 8000
TIMEOUT_S = 3.0
NO_SUCH = ".biomedgpt-doctor/"  # a prefix that lists nothing: the bucket is asked, not read
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and for a server that is not "
    "AWS's AWS_ENDPOINT_URL_S3"
)


@dataclass(frozen=True, slots=True)
class Remote:
    """A place that products or checkpoints go to; ``endpoint`` is of another server than AWS's."""

    url: str
    endpoint: str = ""


def examine_services(root: Path, params: Params | None) -> list[Finding]:
    """Prefect and its port, DVC, Ray, S3, vocabulary files; ``params`` is None where faulty."""
    try:
        remotes = read_remotes(root)
        dvc = check_dvc(remotes)
    except UserError as error:
        remotes, dvc = {}, Finding("FAIL", "dvc", f"{error.what}: {error.why}", error.next_command)
    named = {f"DVC's remote {name}": remote for name, remote in remotes.items()}
    if params is not None:
        named["compute.checkpoints"] = Remote(params.compute.checkpoints)
        named["acquire.root"] = Remote(params.acquire.root)
    return [
        check_prefect(os.environ.get("PREFECT_API_URL", "")),
        check_port(PREFECT_PORT),
        check_web_port(WEB_PORT),
        dvc,
        check_ray(os.environ.get("RAY_ADDRESS", "")),
        *check_buckets({who: of for who, of in named.items() if of.url.startswith(S3)}),
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


def check_web_port(port: int) -> Finding:
    """Whether `biomedgpt web` could listen where it does by itself."""
    if not answers("127.0.0.1", port):
        return Finding("OK", "port", f"{port} is free, for `biomedgpt web`")
    mend = f"end it, or: biomedgpt web MODEL --port {port + 1}"
    return Finding("WARN", "port", f"{port} is another program's, or a page is served there", mend)


def check_dvc(remotes: Mapping[str, Remote]) -> Finding:
    """DVC, and where `dvc push` would send products."""
    named = ", ".join(f"{name} at {redact(remote.url)}" for name, remote in remotes.items())
    told = f"remotes: {named}" if named else "no remote: products stay in this folder"
    return check_library("dvc", lambda version: Finding("OK", "dvc", f"{version}; {told}"))


def read_remotes(root: Path) -> dict[str, Remote]:
    """Each of DVC's remotes by name, those that stand in the user's own configuration among them.

    UserError where DVC cannot read its configuration.
    """
    settings = read_settings(root)
    names = [
        key.removeprefix("remote.").removesuffix(".url")
        for key in settings
        if key.startswith("remote.") and key.endswith(".url")
    ]
    return {
        name: Remote(settings[f"remote.{name}.url"], settings.get(f"remote.{name}.endpointurl", ""))
        for name in names
    }


def check_ray(address: str) -> Finding:
    """Ray, and the cluster that RAY_ADDRESS names, if it names one."""

    def say(version: str) -> Finding:
        if address in ("", "local"):
            return Finding("OK", "ray", f"{version}; no cluster is named, workers start here")
        if address == "auto":  # which one that is, only Ray can tell
            return Finding("OK", "ray", f"{version}; the cluster that runs on this machine is used")
        host, port = split_host(address if "://" in address else f"//{address}")
        if host and port and answers(host, port):
            return Finding("OK", "ray", f"{version}; the cluster at {address} answers")
        words = f"{version}; the cluster at {address} does not answer"
        return Finding("WARN", "ray", words, "ray start --head there, or unset RAY_ADDRESS")

    return check_library("ray", say)


def check_buckets(named: Mapping[str, Remote]) -> list[Finding]:
    """Each bucket that is named, by whom: whether it answers these credentials."""
    if not named:
        return [Finding("OK", "s3", "no bucket is named: checkpoints and remotes are folders")]
    return [check_bucket(who, remote) for who, remote in named.items()]


def check_bucket(who: str, remote: Remote) -> Finding:
    """Lists what is under a prefix that nobody has."""
    name, prefix = split_address(remote.url)
    what = f"{who}, {redact(remote.url)}"
    try:
        bucket = Bucket(name, endpoint=remote.endpoint, attempts=1, timeout_s=TIMEOUT_S)
        bucket.keys(prefix + NO_SUCH)
    except StorageError as error:
        return Finding("WARN", "s3", f"{what}: {redact(str(error))}", CREDENTIALS)
    return Finding("OK", "s3", f"{what}: answers")


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


def split_host(url: str) -> tuple[str, int | None]:
    """Host and port of an address; "" and None where it is none."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port
    except ValueError:  # a port that is no number, half of an IPv6 address
        return "", None


def answers(host: str, port: int) -> bool:
    """Whether anything listens there."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return True
    except (OSError, UnicodeError):  # the latter for what can be no name of a host
        return False


def is_prefect(url: str) -> bool:
    """Whether a Prefect server answers at the address of an API."""
    host, port = split_host(url)
    if not host:
        return False
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        with closing(connect(host, port, timeout=TIMEOUT_S)) as line:
            line.request("GET", f"{parts.path.rstrip('/')}/health")
            answer = line.getresponse()
            return answer.status == 200 and answer.read(16).strip() == b"true"
    except (OSError, UnicodeError, http.client.HTTPException):
        return False
