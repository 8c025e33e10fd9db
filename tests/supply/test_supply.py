"""Locked libraries: each with hashes and a licence that was allowed; none calls home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import pytest

from flows.settings import NO_TELEMETRY
from tests.supply.licences import LOCK, PAGE, Licensed, list_locked, read_licences

PROGRAM = re.compile(r"^\S+?==", re.MULTILINE)
WATCHED = """
import importlib, pkgutil, sys
seen = []
# not socket.bind: urllib3 binds to this machine to see whether it has IPv6
EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
          "urllib.Request")
sys.addaudithook(lambda event, arguments: event in EVENTS and seen.append((event, str(arguments))))
import components, flows
num = 0
for package in (components, flows):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            assert error.name in ("lm_eval", "lmms_eval"), error
        num += 1
assert not seen, seen
print(num)
"""


def run(code: str, **environment: str) -> str:
    """What a fresh Python of this project prints; no variable of ours silences it beforehand."""
    inherited = {k: v for k, v in os.environ.items() if k not in NO_TELEMETRY and k != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=LOCK.parent, env={**inherited, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_locked_library_has_a_version_and_a_hash() -> None:
    text = LOCK.read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) > 200 and len(blocks) == len(PROGRAM.findall(text))
    assert not [block.split()[0] for block in blocks if "--hash=sha256:" not in block]
    assert not re.search(r"://|^-", text, re.MULTILINE)  # no host, no link, no option


def test_the_project_itself_is_built_by_what_is_locked() -> None:
    """Build isolation would fetch the newest setuptools, of no hash, and run it."""
    makefile = (LOCK.parent / "Makefile").read_text()
    assert re.findall(r"pip install (.*)--editable", makefile) == [
        "--no-deps --no-build-isolation "
    ]
    settings = tomllib.loads((LOCK.parent / "pyproject.toml").read_text())
    needed = {re.split(r"\W", one)[0] for one in settings["build-system"]["requires"]}
    assert needed <= {name for name, _ in list_locked(LOCK.read_text())}


def test_every_licence_is_one_that_was_allowed() -> None:
    libraries = read_licences()
    assert not [one for one in libraries if not one.is_allowed]
    rows = dict(re.findall(r"^\| (\S+) \| \S+ \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
    listed = re.findall(r"^\| (\S+) \| (\S+) \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    assert [row for row in listed if row[0] not in ("library", "---")] == list_locked(
        LOCK.read_text()
    ), "python -m tests.supply.licences writes the page anew"
    assert not [one for one in libraries if one.licence and rows[one.name] != one.licence]


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True), ("Apache-2.0 AND MIT", True), ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("GPL-3.0-only", False), ("MIT AND GPL-3.0-only", False), ("not stated", False),
        ("GPL-2.0-only OR MIT", True), ("Proprietary", False),
    ],
)  # fmt: skip
def test_a_licence_that_nobody_allowed_is_seen(licence: str, allowed: bool) -> None:
    assert Licensed("new", "1", licence).is_allowed is allowed


def test_no_module_opens_a_connection_when_it_is_imported() -> None:
    assert int(run(WATCHED)) > 400


def test_that_watch_sees_a_connection() -> None:
    opened = "import socket; socket.create_connection(('127.0.0.1', 1), 0.1)\n"
    code = WATCHED.replace(
        "num = 0", f"try:\n    {opened}except OSError: pass\nassert seen; raise SystemExit"
    )
    assert run(code) == ""


def test_dvc_tells_nobody_of_its_use() -> None:
    asked = "from dvc.analytics import is_enabled; print(is_enabled())"
    assert run(asked) == "False"  # by .dvc/config alone
    settings = "from dvc.config import Config; print(Config.from_cwd()['core']['check_update'])"
    assert run(settings) == "False"


@pytest.mark.parametrize("server", [{}, {"PREFECT_API_URL": "http://127.0.0.1:1/api"}])
def test_prefect_tells_nobody_of_its_use(server: dict[str, str]) -> None:
    """Of its client; also where a server of one's own is named."""
    asked = (
        "from flows.settings import settle_environment; settle_environment()\n"
        "from prefect._internal.analytics.enabled import is_telemetry_enabled\n"
        "from prefect.settings import get_current_settings\n"
        "print(is_telemetry_enabled(), get_current_settings().server.analytics_enabled)"
    )
    assert run(asked, **server) == "False False"


def test_ray_tells_nobody_of_its_use() -> None:
    asked = (
        "from flows.settings import silence_telemetry; silence_telemetry()\n"
        "from ray._common.usage.usage_lib import usage_stats_enabled\n"
        "print(usage_stats_enabled())"
    )
    assert run(asked) == "False"


def test_hugging_face_is_told_nothing() -> None:
    asked = (
        "from flows.settings import silence_telemetry; silence_telemetry()\n"
        "from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY\n"
        "print(HF_HUB_DISABLE_TELEMETRY)"
    )
    assert run(asked) == "True"


def test_no_table_of_texts_for_a_spreadsheet_is_written() -> None:
    """A cell that begins with = would be run; so people are handed JSON, HTML and Parquet."""
    root = LOCK.parent
    sources = [p for room in ("components", "flows") for p in (root / room).rglob("*.py")]
    written = re.compile(r"csv\.(writer|DictWriter)|write_csv|to_csv|write_excel|Workbook\(")
    found = [p.relative_to(root).as_posix() for p in sources if written.search(p.read_text())]
    made = [name for name in found if not name.startswith("components/sample/")]
    assert made == ["components/tracking.py"]  # a curve: steps and numbers alone
