"""The weekly update, whole: new files of PubMed, what they retract, and what is stale after them.

The project's own stages, from a server of this machine that lists and hands out files as NLM's.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.acquire.conftest import Answer, Site, site
from tests.components.pubmed.conftest import article_set, cite
from tests.pipeline.conftest import SMALL, Project, make_project

__all__ = ["site"]

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]

SCRIPT = """
import json, sys
from flows.settings import settle_environment
settle_environment()
from prefect.artifacts import Artifact
from flows.updates import update_pubmed

for line in sys.stdin:
    state = update_pubmed(dry_run=line == "dry\\n", return_state=True)
    tables = {key: json.loads(Artifact.get(key).data) if Artifact.get(key) else []
              for key in ("plan", "recalled", "stale", "stages")}
    print("STATE", json.dumps([state.name, state.message, tables]), flush=True)
"""
# A stage that builds on the corpus, and is up to date before the update.
COUNT = {"cmd": "ls data/articles > count.txt", "deps": ["data/articles"], "outs": ["count.txt"]}


class Weekly:
    """The flow, run once for each call, and NLM's server."""

    def __init__(self, project: Project, process: subprocess.Popen[str], site: Site) -> None:
        self.project, self.process, self.site = project, process, site
        self.files: dict[str, bytes] = {}

    def publish(self, name: str, *citations: str) -> None:
        """Add an update file, with its checksum, to the listing."""
        content = gzip.compress(article_set(*citations).encode(), mtime=0)
        self.files[name] = content
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        path = f"/pubmed/updatefiles/{name}"
        self.site.serve(path, Answer(content))
        self.site.serve(f"{path}.md5", Answer(f"MD5({name})= {digest}\n".encode()))
        links = "".join(f'<a href="{file}">{file}</a>\n' for file in self.files)
        self.site.serve("/pubmed/updatefiles/", Answer(f"<pre>{links}</pre>".encode()))

    def run(self, how: str = "now") -> tuple[str, str, dict[str, Any]]:
        """Let the flow run; its state, that state's words, and the tables on its page."""
        self.site.asked.clear()
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{how}\n")
        self.process.stdin.flush()
        shown = []
        for line in self.process.stdout:
            if line.startswith("STATE "):
                name, words, tables = json.loads(line.removeprefix("STATE "))
                return name, words, tables
            shown.append(line)
        raise AssertionError("".join(shown))

    def fetched(self) -> list[str]:
        """The citation files that were asked for."""
        asked = (path.rpartition("/")[2] for path, _ in self.site.asked)
        return [name for name in asked if name.endswith(".gz")]

    def readings(self) -> dict[str, int]:
        """When each file's reading was written, by the file's name."""
        found = (self.project.root / "data/readings").rglob("*.parquet")
        return {path.as_posix(): path.stat().st_mtime_ns for path in found}


@pytest.fixture
def weekly(repository: Path, tmp_path: Path, site: Site) -> Iterator[Weekly]:
    medline = {"folders": ["updatefiles"], "newest": 0}
    changes = {**SMALL, "sources": ["pubmed", "pmc_oa", "biomed_vital"], "pretraining_sources": []}
    changes["acquire"] = {**SMALL["acquire"], "mode": "download", "medline": medline}
    project = make_project(repository, tmp_path, changes)
    place_sources(project.root, site)
    project.environment["PYTHONPATH"] += f":{repository}"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=project.root, env=project.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield Weekly(project, process, site)
    finally:
        process.communicate(timeout=120)


def place_sources(root: Path, site: Site) -> None:
    """PubMed is at the test's server, PMC's articles lie there, and acquire may ask the former."""
    card = root / "data/cards/pubmed.yaml"
    card.write_text(card.read_text().replace("https://ftp.ncbi.nlm.nih.gov/", f"{site.url}/"))
    graph = yaml.safe_load((root / "dvc.yaml").read_text())
    block = graph["stages"]["acquire_sources"]
    block["matrix"] = {"source": ["pubmed"]}
    block["cmd"] = block["cmd"].replace("components.stages.acquire", "tests.flows.near_acquire")
    graph["stages"]["count"] = COUNT
    (root / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    (root / "data/raw/pmc_oa").mkdir(parents=True)


def stale(tables: dict[str, Any]) -> set[str]:
    return {row["stage"] for row in tables["stale"]}


def test_a_week_brings_new_files_tells_what_they_retract_and_what_is_stale(weekly: Weekly) -> None:
    weekly.publish("pubmed26n0001.xml.gz", cite(11), cite(12), cite(13))
    name, words, tables = weekly.run("dry")
    assert (name, weekly.site.asked) == ("Completed", []), words
    assert [row["stage"] for row in tables["plan"]] == ["acquire_sources@pubmed", "ingest_pubmed"]

    name, words, tables = weekly.run()
    assert name == "Completed", words
    assert weekly.fetched() == ["pubmed26n0001.xml.gz"]
    assert tables["recalled"] == []
    assert {"count", "build_vocabulary"} <= stale(tables)
    counted = weekly.project.dvc("repro", "--single-item", "count")
    assert counted.returncode == 0, counted.stdout + counted.stderr

    before = weekly.readings()
    name, words, tables = weekly.run()
    assert (name, weekly.fetched()) == ("Completed", []), words
    assert {row["stage"]: row["status"] for row in tables["stages"]} == {
        "acquire_sources@pubmed": "ran",
        "ingest_pubmed": "cached",
    }
    assert tables["recalled"] == []
    assert "count" not in stale(tables)

    retracted = cite(12, types=("Journal Article", "Retracted Publication"))
    weekly.publish("pubmed26n0002.xml.gz", retracted, cite(14))
    name, words, tables = weekly.run()
    assert (name, weekly.fetched()) == ("Completed", ["pubmed26n0002.xml.gz"]), words
    assert tables["recalled"] == [{"record": "12"}]
    assert "count" in stale(tables)
    after = weekly.readings()
    assert before.items() < after.items()  # the first file was not read again
