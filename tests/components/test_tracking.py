"""Curves: written as it goes, continued after a stop, read by DVC itself, told to nobody else."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tensorboardX.proto.event_pb2 import Event, SessionLog

from components import tracking
from components.tracking import CURVES, EVENTS, LIVE, track_run, write_curves

BOTH = ["dvclive", "tensorboard"]
RUN = "finetune-debug-toy"
LOG = [
    {"step": step, "loss": 3.0 / step, "learning_rate": 1e-3, "parts": {"examples": 3.0 / step}}
    for step in (1, 2, 3)
]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_STUDIO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def write_steps(*steps: int, names: list[str] = BOTH, scale: float = 1.0) -> None:
    with track_run(names, RUN) as write:
        for step in steps:
            write(step, {"loss": scale / step, "streams/text": scale * step})


def read_table(name: str) -> list[list[str]]:
    text = (LIVE / RUN / f"plots/metrics/{name}.tsv").read_text()
    return [line.split("\t") for line in text.splitlines()]


def read_events() -> list[Event]:
    """Every event of the run's files, in the order in which they were begun."""
    events = []
    for path in sorted((EVENTS / RUN).iterdir(), key=lambda file: file.stat().st_mtime_ns):
        content, at = path.read_bytes(), 0
        while at < len(content):  # length, its checksum, the event, its checksum
            (length,) = struct.unpack_from("<Q", content, at)
            events.append(Event.FromString(content[at + 12 : at + 12 + length]))
            at += 16 + length
    return events


def read_scalars(name: str) -> list[tuple[int, float]]:
    """Steps and values as TensorBoard shows them: a START drops its step and what follows it."""
    found: list[tuple[int, float]] = []
    for event in read_events():
        if event.session_log.status == SessionLog.START:
            found = [row for row in found if row[0] < event.step]
        found += [
            (event.step, value.simple_value) for value in event.summary.value if value.tag == name
        ]
    return found


def test_each_number_has_a_curve() -> None:
    write_steps(1, 2, 4)
    assert read_table("loss") == [["step", "loss"], ["1", "1.0"], ["2", "0.5"], ["4", "0.25"]]
    assert read_table("streams/text")[0] == ["step", "text"]
    newest = json.loads((LIVE / RUN / "metrics.json").read_text())
    assert newest == {"loss": 0.25, "streams": {"text": 4.0}, "step": 4}
    assert read_scalars("loss") == [(1, 1.0), (2, 0.5), (4, 0.25)]
    assert read_scalars("streams/text") == [(1, 1.0), (2, 2.0), (4, 4.0)]


def test_a_run_that_goes_on_has_each_step_once() -> None:
    write_steps(1, 10, 20, 30)
    with (LIVE / RUN / "plots/metrics/loss.tsv").open("a") as table:
        table.write("4")  # the process was killed within a line
    write_steps(20, 30, 40, scale=2.0)  # from a checkpoint after step 10
    assert [row[0] for row in read_table("loss")] == ["step", "1", "10", "20", "30", "40"]
    assert read_table("loss")[3] == ["20", "0.1"]
    assert [row[0] for row in read_table("streams/text")] == ["step", "1", "10", "20", "30", "40"]
    assert [step for step, _ in read_scalars("loss")] == [1, 10, 20, 30, 40]
    assert dict(read_scalars("loss"))[20] == pytest.approx(0.1)


def test_a_run_from_the_start_forgets_an_earlier_one() -> None:
    write_steps(1, 10, 20)
    write_steps(1, 10, scale=2.0)
    assert read_table("loss") == [["step", "loss"], ["1", "2.0"], ["10", "0.2"]]
    assert [step for step, _ in read_scalars("loss")] == [1, 10]


def test_without_trackers_nothing_is_written_and_neither_is_loaded() -> None:
    code = (
        "import sys; from components.tracking import track_run\n"
        "with track_run([], 'run') as write: write(1, {'loss': 1.0})\n"
        "assert not {'dvclive', 'dvc', 'tensorboardX'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not LIVE.exists()
    assert not EVENTS.exists()


@pytest.fixture
def posts() -> Iterator[list[str]]:
    """A server in the place of DVC's Studio; the paths of what it was sent."""
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    heard.append(f"http://127.0.0.1:{server.server_port}")
    yield heard
    server.shutdown()
    server.server_close()


def command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(*words: str) -> str:
    return command(sys.executable, "-m", "dvc", *words)


@pytest.fixture
def project(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with this project's .gitignore, .dvcignore and top-level plots of live runs."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    command("git", "init", "--quiet")
    (root / ".dvc").mkdir()
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (root / name).write_text((repository / name).read_text())
    plots = yaml.safe_load((repository / "dvc.yaml").read_text())["plots"]
    live = [plot for plot in plots if LIVE.as_posix() in plot]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"plots": live}))
    commit("begin")
    return root


def commit(message: str) -> None:
    person = ["-c", "user.name=tester", "-c", "user.email=tester@localhost"]
    command("git", "add", "--all")
    command("git", *person, "commit", "--quiet", "--message", message)


def test_dvclive_commits_nothing_writes_no_pipeline_and_posts_nothing(
    project: Path, posts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STUDIO_URL", posts[0])
    monkeypatch.setenv("DVC_STUDIO_TOKEN", "a-token")
    monkeypatch.setenv("DVC_STUDIO_REPO_URL", "git@localhost:a/b.git")
    before = command("git", "for-each-ref") + command("git", "rev-parse", "HEAD")
    write_steps(1, 2, names=["dvclive"])
    assert command("git", "for-each-ref") + command("git", "rev-parse", "HEAD") == before
    assert command("git", "status", "--porcelain") == ""
    assert list(project.rglob("dvc.yaml")) == [project / "dvc.yaml"]
    assert posts[1:] == []


def read_plots(*words: str) -> dict[str, list[dict[str, str]]]:
    """The points of each plot that a ``dvc plots`` command gives; it must give no error."""
    told = json.loads(dvc("plots", *words, "--json"))
    assert "errors" not in told
    return {name: plot[0]["content"]["data"]["values"] for name, plot in told["data"].items()}


@pytest.mark.parametrize("words", [["show"], ["diff"]])  # editors ask for the second
def test_dvc_shows_the_runs_that_are_under_way(project: Path, words: list[str]) -> None:
    write_steps(1, 2, names=["dvclive"])
    plots = read_plots(*words)
    tables = ("loss", "streams/text")
    assert set(plots) == {f"{LIVE}/{RUN}/plots/metrics/{name}.tsv" for name in tables}
    rows = plots[f"{LIVE}/{RUN}/plots/metrics/loss.tsv"]
    assert [(row["step"], row["loss"]) for row in rows] == [("1", "1.0"), ("2", "0.5")]


def test_dvc_compares_the_curves_of_two_revisions(project: Path) -> None:
    out = Path("model")
    out.mkdir()
    for scale in (1.0, 2.0):
        log = [{**entry, "loss": scale * float(entry["loss"])} for entry in LOG]  # type: ignore[arg-type]
        write_curves(log, out / CURVES)
        dvc("add", "--quiet", str(out))
        commit(f"train with {scale}")
    axes = ["-x", "step", "-y", "loss"]
    plots = read_plots("diff", "HEAD~1", "HEAD", "--targets", str(out / CURVES), *axes)
    rows = plots[str(out / CURVES)]
    assert [(row["rev"], row["step"], row["loss"]) for row in rows] == [
        (revision, str(step), str(scale * 3.0 / step))
        for revision, scale in (("HEAD~1", 1.0), ("HEAD", 2.0))
        for step in (1, 2, 3)
    ]


def test_curves_are_the_log_as_a_table(tmp_path: Path) -> None:
    later = {"step": 4, "loss": 0.5, "learning_rate": 1e-3, "parts": {"examples": 0.5, "text": 1.0}}
    write_curves([*LOG, later], tmp_path / CURVES)
    lines = (tmp_path / CURVES).read_text().splitlines()
    assert lines[0] == "step\tloss\tlearning_rate\tparts/examples\tparts/text"
    assert lines[1] == "1\t3.0\t0.001\t3.0\t"
    assert lines[4] == "4\t0.5\t0.001\t0.5\t1.0"


def test_each_tracker_is_a_choice_in_params() -> None:
    from typing import get_args

    from components.config import ComputeParams

    (choices,) = get_args(ComputeParams.model_fields["track"].annotation)
    assert set(get_args(choices)) == set(tracking.TRACKERS)
