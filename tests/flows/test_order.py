"""A throw-away project, run through Prefect and DVC as the real one is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.errors import UserError
from components.profiles.overlay import write_params
from flows.graph import ProjectLockedError, make_plan
from flows.lock import HOLDER
from tests.flows.throwaway import wait_until

STAGES = {
    "first": {"cmd": "echo making first && echo 1 > first.txt", "outs": ["first.txt"]},
    "second": {
        "cmd": "echo 'error in stage second: no file' && echo '  next: make it' && exit 2",
        "deps": ["first.txt"],
        "outs": ["second.txt"],
    },
    "third": {"cmd": "cp second.txt third.txt", "deps": ["second.txt"], "outs": ["third.txt"]},
    "apart": {"cmd": "echo 1 > apart.txt", "outs": ["apart.txt"]},
}
SCRIPT = """
from flows.settings import settle_environment
settle_environment()
from prefect import flow
from flows.choice import Choice
from flows.order import run_stages

@flow(name="throw-away")
def throw_away(blocks, force):
    return run_stages(blocks, Choice(force=force))

for blocks, force in ((["third"], False), (["first"], True), (["first"], False)):
    state = throw_away(blocks, force, return_state=True)
    print("STATE", state.type.value, state.message.replace(chr(10), " | "))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A DVC project without git: a graph of four stages, of which one fails."""
    monkeypatch.chdir(tmp_path)
    dvc = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    settings = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    settings |= {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": str(repository)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("PREFECT_API")]:
        monkeypatch.delenv(name)
    subprocess.run(dvc, check=True)
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}, sort_keys=False))
    write_params("demo")
    return tmp_path


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
def test_a_plan_comes_from_dvc(project: Path) -> None:
    plan = make_plan(["third"])
    assert plan.upstream == {"first": [], "second": ["first"], "third": ["second"]}
    assert plan.num_stages == 3
    assert set(plan.reasons.values()) == {"has no product yet"}
    assert list(make_plan().upstream) == ["first", "second", "third", "apart"]


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")
def test_a_plan_waits_for_a_command_of_a_terminal(project: Path) -> None:
    stage = {"cmd": "touch began; until [ -e go ]; do sleep 0.1; done; cp in out"}
    stage |= {"deps": ["in"], "outs": ["out"]}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"slow": stage}}))
    (project / "in").write_text("1")
    running = subprocess.Popen([sys.executable, "-m", "dvc", "repro", "--quiet"])
    told: list[str] = []

    def hear(words: str) -> None:
        told.append(words)
        (project / "go").touch()

    try:
        wait_until((project / "began").exists)
        with pytest.raises(ProjectLockedError, match="another command is working"):
            make_plan()
        assert make_plan(tell_wait=hear).upstream == {}
    finally:
        (project / "go").touch()
        assert running.wait(timeout=60) == 0
    assert len(told) == 1 and f"PID {running.pid}" in told[0]


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")
def test_a_damaged_lock_file_is_named_with_the_way_out(project: Path) -> None:
    # no end was cut off, which is mended (test_torn.py): a person has to choose between the two
    torn = "schema: '2.0'\nstages:\n<<<<<<< HEAD\n  first:\n=======\n  second:\n>>>>>>> there\n"
    (project / "dvc.lock").write_text(torn)
    with pytest.raises(UserError, match=r"dvc\.lock cannot be read") as caught:
        make_plan()
    assert caught.value.next_command.startswith("git checkout dvc.lock")


@pytest.mark.services
def test_stages_run_are_cached_fail_and_hold_back_what_builds_on_them(project: Path) -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    told = [
        re.sub("logs [-0-9a-f]{36}$", "logs ID", line) for line in lines if line.startswith("STATE")
    ]
    assert told == [
        "STATE FAILED second failed | error in stage second: no file | next: make it"
        " | all that was said: biomedgpt logs ID",
        "STATE COMPLETED 1 stages up to date",
        "STATE COMPLETED 1 stages up to date",
    ], shown
    assert sum("| making first" in line for line in lines) == 2, shown  # the second time by force
    table = {tuple(line.split()[:2]) for line in lines}
    assert {("first", "ran"), ("second", "failed"), ("third", "skipped")} <= table, shown
    assert any(re.fullmatch(r"nothing to do; \d\.\d s", line) for line in lines), shown
    assert not (project / "apart.txt").exists()
    assert not (project / "third.txt").exists()
    said = [json.loads(line) for path in project.glob("logs/*/flow.jsonl") for line in path.open()]
    errors = [record["message"] for record in said if record["level"] == "error"]
    assert [words.partition("all that was said")[0] for words in errors] == [
        "second failed\nerror in stage second: no file\n  next: make it\n"
    ]
    assert "Finished in state" not in shown
    assert "Task run failed" not in shown


FULL = """
from flows.settings import settle_environment
settle_environment()
from prefect import flow
from flows.order import run_stages

@flow(name="throw-away")
def throw_away():
    return run_stages(["first"])

state = throw_away(return_state=True)
print("STATE", state.name, state.message.replace(chr(10), " | "))
"""


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_fails_a_run_in_plain_words(project: Path) -> None:
    (project / HOLDER).parent.mkdir(parents=True, exist_ok=True)
    (project / HOLDER).symlink_to("/dev/full")
    command = [sys.executable, "-c", FULL]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    shown = done.stdout + done.stderr
    assert "STATE Failed " in done.stdout, shown
    assert "why:  No space left on device | " in done.stdout, shown
    assert "Traceback" not in shown
    assert not (project / "first.txt").exists()
