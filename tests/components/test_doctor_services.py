"""What ``biomedgpt doctor`` finds of engines and services: real ones, on this machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import pytest

from components.cli import run_command
from components.config import Params, load_params
from components.doctor import Finding
from components.doctor_services import (
    Remote,
    check_bucket,
    check_dvc,
    check_library,
    check_port,
    check_prefect,
    check_ray,
    check_vocabulary,
    check_web_port,
    examine_services,
    read_params,
    read_remotes,
)
from components.profiles.overlay import write_params
from flows.cli import build_parser
from tests.components.training.s3_line import BUCKET, Line, line, s3_address

__all__ = ["line", "s3_address"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A folder with the demo's settings and the cards, and no service named."""
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    for level in ("GLOBAL", "SYSTEM"):  # remotes of whoever runs the tests are not asked
        monkeypatch.setenv(f"DVC_{level}_CONFIG_DIR", str(tmp_path / level))
    write_params("demo")
    (tmp_path / "dvc.yaml").touch()
    shutil.copytree(repository / "data/cards", tmp_path / "data/cards")
    return tmp_path


def change(root: Path, old: str, new: str) -> Params:
    """The settings after a change of their text."""
    path = root / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return load_params(path)


@pytest.fixture
def other_program() -> Iterator[int]:
    """The port of a server that is not Prefect's: it answers everything with its own page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def test_without_a_service_every_subject_is_fine(root: Path) -> None:
    findings = examine_services(root, read_params(root / "params.yaml"))
    subjects = ["prefect", "port", "port", "dvc", "ray", "s3", "vocabulary"]
    assert [finding.subject for finding in findings] == subjects
    assert all(f.level == "OK" for f in findings if f.subject != "port"), findings


def test_json_and_status_are_for_scripts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(build_parser(), ["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings[0].keys() == {"level", "subject", "words", "mend"}
    assert {"python", "memory", "ray", "vocabulary"} <= {finding["subject"] for finding in findings}
    (root / "params.yaml").unlink()
    assert run_command(build_parser(), ["doctor", "--json"]) == 1
    failed = [f for f in json.loads(capsys.readouterr().out) if f["level"] == "FAIL"]
    assert [finding["subject"] for finding in failed] == ["params"]


def test_a_library_is_there_in_the_version_that_the_project_asks_for() -> None:
    def say(version: str) -> Finding:
        return Finding("OK", "prefect", version)

    assert check_library("prefect", say).words == metadata.version("prefect")
    assert check_library("no-such-library", say).level == "FAIL"


def test_another_version_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.doctor_services.metadata.version", lambda _: "1.0")
    finding = check_prefect("")
    assert (finding.level, finding.mend) == ("WARN", "make install")
    assert finding.words.startswith("1.0; this project was tried with ==3")


def test_a_port_is_free_or_another_program_s(other_program: int, free_port: int) -> None:
    assert check_port(free_port).level == "OK"
    finding = check_port(other_program)
    assert finding.level == "WARN"
    assert f"--port {other_program + 1}" in finding.mend
    assert check_web_port(free_port).level == "OK"
    finding = check_web_port(other_program)
    assert finding.level == "WARN" and f"--port {other_program + 1}" in finding.mend


def test_a_server_that_does_not_answer_is_named_without_its_password(
    other_program: int, free_port: int
) -> None:
    for port in (other_program, free_port):
        finding = check_prefect(f"http://user:pass7word@127.0.0.1:{port}/api")
        assert finding.level == "WARN"
        assert "does not answer" in finding.words
        assert "pass7word" not in finding.words


def test_a_cluster_that_does_not_answer_is_named(other_program: int, free_port: int) -> None:
    assert check_ray("").level == check_ray("local").level == "OK"
    assert check_ray(f"127.0.0.1:{other_program}").level == "OK"
    for address in (f"127.0.0.1:{free_port}", f"ray://127.0.0.1:{free_port}", "nonsense"):
        assert check_ray(address).level == "WARN"
    assert "does not answer" not in check_ray("auto").words


@pytest.mark.parametrize("place", ["host:port", "[::1", "127.0.0.1:70000", f"{'x' * 64}.org:80"])
def test_what_is_no_address_is_told_and_not_raised(place: str) -> None:
    for finding in (check_ray(place), check_prefect(f"http://{place}/api")):
        assert finding.level == "WARN"
        assert "does not answer" in finding.words


def test_remotes_are_those_that_dvc_itself_would_name(root: Path) -> None:
    for words in (
        ["init", "--no-scm", "--quiet"],
        ["remote", "add", "--quiet", "-d", "store", "s3://bucket/prefix"],
        ["remote", "add", "--quiet", "--local", "shelf", str(root / "shelf")],
        ["remote", "modify", "--quiet", "--local", "store", "endpointurl", "http://127.0.0.1:9"],
        ["remote", "add", "--quiet", "--global", "all.projects", "s3://bucket/a=b"],
        ["remote", "add", "--quiet", "--global", "store", "s3://bucket/of-the-user"],
    ):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, check=True)
    remotes = read_remotes(root)
    assert remotes.keys() == {"store", "shelf", "all.projects"}
    assert remotes["all.projects"] == Remote("s3://bucket/a=b")
    assert remotes["store"] == Remote("s3://bucket/prefix", "http://127.0.0.1:9")
    assert "store at s3://bucket/prefix" in check_dvc(remotes).words
    assert "no remote" in check_dvc({}).words


@pytest.mark.services
def test_buckets_are_asked(line: Line, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = change(root, "checkpoints: data/checkpoints", f"checkpoints: s3://{BUCKET}/a")
    (finding,) = [f for f in examine_services(root, params) if f.subject == "s3"]
    assert (finding.level, finding.words) == (
        "OK",
        f"compute.checkpoints, s3://{BUCKET}/a: answers",
    )
    finding = check_bucket("compute.checkpoints", Remote("s3://no-such-bucket/a"))
    assert (finding.level, "404" in finding.words) == ("WARN", True)
    line.fail(403, "GET")
    finding = check_bucket("compute.checkpoints", Remote(f"s3://{BUCKET}/a"))
    assert finding.level == "WARN"
    assert "403" in finding.words
    assert "AWS_ACCESS_KEY_ID" in finding.mend


@pytest.mark.services
def test_a_remote_is_asked_at_the_server_that_dvc_would_ask(
    line: Line, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`biomedgpt remote --endpoint` writes it there, and no variable need name it again."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text(
        f"['remote \"store\"']\n    url = s3://{BUCKET}/a\n    endpointurl = {line.address}\n"
    )
    (finding,) = [f for f in examine_services(root, None) if f.subject == "s3"]
    assert (finding.level, finding.words) == ("OK", f"DVC's remote store, s3://{BUCKET}/a: answers")
    assert line.asked


def test_a_configuration_of_dvc_that_is_broken_is_a_finding(root: Path) -> None:
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("<<<<<<< ours\n")
    (finding,) = [f for f in examine_services(root, None) if f.subject == "dvc"]
    assert finding.level == "FAIL" and "config" in finding.words


def test_files_of_a_vocabulary_are_looked_for_where_they_are_asked_for(root: Path) -> None:
    (root / "params.yaml").write_text(
        (root / "params.yaml").read_text().replace("\nsources:\n", "\nsources:\n- bpe\n")
    )
    params = change(root, "text: train", "text: files")
    assert params.build_vocabulary.text == "files"
    finding = check_vocabulary(params, root / "data/cards")
    assert finding.level == "FAIL"
    assert "encoder.json" in finding.mend
    own = root / "own/bpe"
    own.mkdir(parents=True)
    for name in ("encoder.json", "vocab.bpe", "dict.txt"):
        (own / name).touch()
    params = change(root, "root: ''", f"root: {root / 'own'}")
    assert check_vocabulary(params, root / "data/cards").level == "OK"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_takes_the_completion_and_it_knows_every_command(
    shell: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(build_parser(), ["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("new-dataset", "--stage", "completion", "--json"))
    if shell == "bash":
        asked = 'COMP_WORDS=(biomedgpt do); COMP_CWORD=1; _shtab_biomedgpt; echo "${COMPREPLY[@]}"'
        command = ["bash", "-c", f"{script}\n{asked}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["doctor"], done.stderr
