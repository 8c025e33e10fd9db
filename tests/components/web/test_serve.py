"""Starting and ending the server: the port, the address, the model, and the command itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from components.errors import UserError
from components.web.serve import bind, is_loopback

Process = subprocess.Popen[str]


def test_a_port_in_use_is_told_with_another_one() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is in use") as caught:
            bind("127.0.0.1", port)
    assert f"--port {port + 1}" in caught.value.next_command


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("no.such.name.invalid", 0, "is no address"),
        ("203.0.113.7", 0, "is not an address of this machine"),
        ("127.0.0.1", 70_000, "there is no port 70000"),
        ("127.0.0.1", -1, "there is no port -1"),
        ("x" * 300, 0, "is no address"),
    ],
)
def test_an_address_that_cannot_be_is_told(host: str, port: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        bind(host, port)
    assert caught.value.next_command


def test_loopback_is_told_from_the_rest() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.1", "example.org")))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def started(command: list[str], folder: Path, repository: Path) -> Iterator[Process]:
    """The command, which has begun to answer at the port that it names last."""
    process = subprocess.Popen(
        command, cwd=folder, env=clean(folder, repository), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        begun = time.monotonic()
        while time.monotonic() - begun < 120 and process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{command[-1]}/health")
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield process
    finally:
        process.kill()


def clean(folder: Path, repository: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(repository), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1",
            "HOME": str(folder)}  # fmt: skip


def serve_at(model: Path, port: int, *words: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "web", str(model), *words, "--port", str(port)]


@pytest.mark.services
@pytest.mark.parametrize(("words", "host"), [([], "127.0.0.1"), (["--host", "0.0.0.0"], "0.0.0.0")])
def test_the_command_serves_and_ends_in_any_folder(
    model_folder: Path, tmp_path: Path, repository: Path, words: list[str], host: str
) -> None:
    port = free_port()
    command = serve_at(model_folder, port, *words)
    with started(command, tmp_path, repository) as process:
        listening = psutil.Process(process.pid).net_connections("inet")
        assert {one.laddr for one in listening if one.status == psutil.CONN_LISTEN} == {
            (host, port)
        }
        page = httpx.get(f"http://127.0.0.1:{port}/")
        assert "not for clinical use" in page.text
        assert page.headers["content-type"].startswith("text/html")
        second = subprocess.run(command, cwd=tmp_path, env=clean(tmp_path, repository),
                                capture_output=True, text=True, check=False)  # fmt: skip
        assert second.returncode == 2 and f"port {port} is in use" in second.stderr
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert f"http://{host}:{port}/" in said and "Traceback" not in said
    assert ("warning: 0.0.0.0 can be reached" in said) is (host == "0.0.0.0")
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.services
def test_told_twice_it_ends_at_once_though_somebody_waits(
    model_folder: Path, tmp_path: Path, repository: Path
) -> None:
    port = free_port()
    with started(serve_at(model_folder, port), tmp_path, repository) as process:
        half = b"POST /api/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(half + b"Content-Length: 99\r\n\r\n{")
            while httpx.get(f"http://127.0.0.1:{port}/health").json()["requests"] < 1:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            said = [next(line for line in process.stdout if "again ends at once" in line)]
            process.send_signal(signal.SIGINT)
            said += process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in "".join(said)


def test_a_folder_that_holds_no_model_is_told(tmp_path: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "web", str(tmp_path), "--port", "0"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "is no model that can be asked" in done.stderr
