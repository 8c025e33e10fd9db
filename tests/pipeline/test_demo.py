"""The whole pipeline with very small numbers: once, again, after a change, on broken raw files."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from components.lineage import MANIFEST, QUARANTINE
from components.records import Reject, read_records
from tests.pipeline.conftest import DATASETS, TWICE, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("demo")]
Done = subprocess.CompletedProcess[str]


def read_rows(shown: str) -> dict[str, str]:
    """The first word of each line, with what follows it."""
    rows = [line.split(maxsplit=1) for line in shown.splitlines()]
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def name_stages(root: Path) -> set[str]:
    """Every stage by DVC's name for it, from dvc.yaml and params.yaml."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    names = set()
    for block, body in yaml.safe_load((root / "dvc.yaml").read_text())["stages"].items():
        axes = [params[items[2:-1]] for items in body.get("matrix", {}).values()]
        items = ["-".join(item) for item in itertools.product(*axes)]
        names |= {f"{block}@{item}" if item else block for item in items}
    return names


def read_manifests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted((root / "data").rglob(MANIFEST))
    }


def test_every_stage_runs(project: Project, first_run: Done) -> None:
    rows, names = read_rows(first_run.stdout), name_stages(project.root)
    assert {name for name in names if rows.get(name, "").split()[:1] != ["ran"]} == set()
    assert f"{len(names)} of {len(names)} stages to run" in first_run.stdout
    assert len(read_manifests(project.root)) == len(names) + 1  # of the second seed's model


def test_every_set_is_scored_and_the_page_is_there(project: Project, first_run: Done) -> None:
    metrics = project.root / "data/metrics"
    scores = {name: json.loads((metrics / f"debug/{name}.json").read_text()) for name in DATASETS}
    unseen = json.loads((metrics / "zero_shot/debug/vqa_rad.json").read_text())
    assert [unseen["dataset"], *scores] == ["vqa_rad", *DATASETS]
    for name, score in {**scores, "zero-shot": unseen}.items():
        main = score["scores"][score["headline"]]["all"]
        assert 0 <= main["value"] <= 100, name
        assert main["n"] > 0, name
    means = {name: score["scores"][score["headline"]]["all"] for name, score in scores.items()}
    seeds = json.loads((metrics / f"debug/{TWICE}.json").read_text())["scores"]
    assert all(len(of["all"]["seeds"]["values"]) == 2 for of in seeds.values())
    assert not any("seeds" in of for name, of in means.items() if name != TWICE)
    page = (project.root / "data/report/index.html").read_text()
    assert "2 seeds:" in page
    assert page.rstrip().endswith("</html>")
    assert "VQA-RAD" in page


def test_what_goes_in_comes_out_or_is_quarantined(project: Project, first_run: Done) -> None:
    for name, text in read_manifests(project.root).items():
        manifest = json.loads(text)
        counts = manifest["counts"]
        rejects = list(read_records((project.root / name).with_name(QUARANTINE), Reject))
        assert counts["in"] == counts["out"] + counts["quarantined"], name
        assert len(rejects) == counts["quarantined"] == sum(manifest["quarantine"].values()), name


def test_no_product_knows_where_it_was_made(project: Project, first_run: Done) -> None:
    products = [p for p in (project.root / "data").rglob("*") if p.suffix in (".json", ".html")]
    assert [p for p in products if str(project.root) in p.read_text(errors="replace")] == []


def test_the_second_run_has_nothing_to_do(project: Project, first_run: Done) -> None:
    before = read_manifests(project.root)
    again = project.biomedgpt("run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{len(name_stages(project.root))} stages up to date" in again.stdout
    assert "Prefect" not in again.stdout
    assert read_manifests(project.root) == before


def test_another_metric_stales_what_scores_and_nothing_that_learns(
    project: Project, first_run: Done
) -> None:
    card = project.root / "data/cards/pneumoniamnist.yaml"
    kept = card.read_text()
    card.write_text(kept.replace("metrics:\n- accuracy", "metrics:\n- balanced_accuracy"))
    try:
        shown = project.biomedgpt("plan")
    finally:
        card.write_text(kept)
    assert shown.returncode == 0, shown.stderr
    rows = {name: why for name, why in read_rows(shown.stdout).items() if name != "stage"}
    stale = {name for name in rows if name in name_stages(project.root)}
    assert stale == {"evaluate@debug-pneumoniamnist", "probe@debug", "report"}
    assert rows["evaluate@debug-pneumoniamnist"] == "metrics modified"
    assert rows["probe@debug"] == "builds on evaluate@debug-pneumoniamnist"
    assert "3 of " in shown.stdout


def test_a_corrected_licence_stales_the_page_that_tells_of_it_alone(
    project: Project, first_run: Done
) -> None:
    card = project.root / "data/cards/pneumoniamnist.yaml"
    kept = card.read_text()
    card.write_text("# corrected\n" + kept.replace("licence: ", "licence: not ", 1))
    try:
        shown = project.biomedgpt("plan")
    finally:
        card.write_text(kept)
    assert shown.returncode == 0, shown.stderr
    stale = name_stages(project.root) & read_rows(shown.stdout).keys()
    assert stale == {"report"}


def copy_raw(project: Project, target: Path, *sources: str) -> Path:
    """A working folder with parameters, cards and some raw files, free to be damaged."""
    for name in ("data/cards", *(f"data/raw/{source}" for source in sources)):
        shutil.copytree(project.root / name, target / name)
    shutil.copyfile(project.root / "params.yaml", target / "params.yaml")
    return target / "data"


def test_a_cut_citation_file_is_named(project: Project, first_run: Done, tmp_path: Path) -> None:
    data = copy_raw(project, tmp_path, "pubmed", "pmc_oa")
    broken = data / "raw/pubmed/baseline/pubmed26n0002.xml.gz"
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 3 // 4])
    done = project.enter_stage("ingest_pubmed", at=tmp_path)
    assert done.returncode == 2
    assert "pubmed26n0002.xml.gz" in done.stderr
    assert "md5" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (data / "articles" / MANIFEST).exists()
    broken.with_name(broken.name + ".md5").unlink()  # nobody said what it should have been
    done = project.enter_stage("ingest_pubmed", at=tmp_path)
    assert done.returncode == 0, done.stderr
    (reject,) = (
        reject
        for reject in read_records(data / "articles" / QUARANTINE, Reject)
        if reject.reason == "truncated"
    )
    assert reject.origin == "baseline/pubmed26n0002.xml.gz"


def test_a_lost_picture_is_named(project: Project, first_run: Done, tmp_path: Path) -> None:
    data = copy_raw(project, tmp_path, "vqa_rad")
    whole = json.loads((project.root / "data/examples/vqa_rad" / MANIFEST).read_text())["counts"]
    lost = sorted((data / "raw/vqa_rad/images").iterdir())[0]
    lost.unlink()
    door = ("prepare", "--dataset", "vqa_rad")
    done = project.enter_stage(*door, at=tmp_path)
    assert done.returncode == 2
    assert "max_quarantined" in done.stderr
    assert lost.name in done.stderr
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("max_quarantined: 0.05", "max_quarantined: 0.5"))
    done = project.enter_stage(*door, at=tmp_path)
    assert done.returncode == 0, done.stderr
    counts = json.loads((data / "examples/vqa_rad" / MANIFEST).read_text())["counts"]
    rejects = read_records(data / "examples/vqa_rad" / QUARANTINE, Reject)
    missing = [reject for reject in rejects if reject.reason == "missing-image"]
    assert missing
    assert all(lost.name in reject.detail for reject in missing)
    assert counts["in"] == whole["in"] == counts["out"] + counts["quarantined"]
