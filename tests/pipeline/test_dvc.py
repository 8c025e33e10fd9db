"""DVC as people use it, on a finished pipeline: experiments, comparisons, plots, the graph."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml

from tests.pipeline.conftest import DATASETS, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("demo")]
Done = subprocess.CompletedProcess[str]
EVALUATION = "evaluate@debug-pneumoniamnist"
METRICS = "data/metrics/debug/pneumoniamnist.json"
HEADLINE = "data/headlines/debug/pneumoniamnist.json"
MOST_FILES = 30  # of one product


@pytest.fixture(scope="module")
def finished(
    project: Project, first_run: Done, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A copy of the finished project, with all that git keeps committed."""
    folder = tmp_path_factory.mktemp("finished")
    root = folder / "project"
    shutil.copytree(project.root, root)
    own = {"PYTHONPATH": str(root), "DVC_SITE_CACHE_DIR": str(folder / "site")}
    for words in (
        ("config", "user.name", "test"),
        ("config", "user.email", "test@localhost"),
        ("add", "--all"),
        ("commit", "--quiet", "--allow-empty", "-m", "finished"),
    ):
        subprocess.run(["git", *words], cwd=root, check=True)
    return replace(project, root=root, environment=project.environment | own)


@pytest.fixture
def restored(finished: Project) -> Iterator[Project]:
    """The same; what a test changes is undone."""
    yield finished
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=finished.root, check=True)
    ask(finished, "checkout", "--quiet", "--force")


def ask(project: Project, *words: str, **environment: str) -> str:
    """What DVC prints."""
    done = project.dvc(*words, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_comment_in_code_that_no_stage_reaches_makes_nothing_stale(restored: Project) -> None:
    for name in ("components/cli.py", "components/doctor.py", "flows/order.py", "README.md"):
        with (restored.root / name).open("a") as file:
            file.write("\n# a remark\n")
    assert ask(restored, "status").strip() == "Data and pipelines are up to date."


def name_stale(project: Project) -> set[str]:
    """The stages of which DVC says that something they read or made has changed."""
    return set(json.loads(ask(project, "status", "--json")))


def name_run(said: str) -> set[str]:
    """The stages that ``dvc repro`` ran."""
    lines = [line for line in said.splitlines() if line.startswith("Running stage")]
    return {line.split("'")[1] for line in lines}


def edit_card(project: Project, name: str, old: str, new: str) -> None:
    card = project.root / f"data/cards/{name}.yaml"
    text = card.read_text()
    assert old in text
    card.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("dataset", "scored"),
    [
        ("pneumoniamnist", {"evaluate@debug-pneumoniamnist"}),
        ("vqa_rad", {"evaluate@debug-vqa_rad", "evaluate_zero_shot@debug-vqa_rad"}),
    ],
)
def test_another_metric_of_a_card_stales_what_scores_that_set(
    restored: Project, dataset: str, scored: set[str]
) -> None:
    edit_card(restored, dataset, "metrics:\n-", "metrics:\n- macro_f1\n-")
    assert name_stale(restored) == {*scored, "report"}  # the report shows every card


def test_one_more_metric_runs_that_evaluation_and_stales_the_report_alone(
    restored: Project,
) -> None:
    edit_card(restored, "pneumoniamnist", "- accuracy\n", "- accuracy\n- macro_f1\n")
    assert name_run(ask(restored, "repro", EVALUATION)) == {EVALUATION}
    assert name_stale(restored) == {"report"}


def test_a_correction_of_a_card_stales_the_report_alone(restored: Project) -> None:
    edit_card(restored, "vqa_rad", "citation: ", "citation: See also ")
    assert name_stale(restored) == {"report"}


def test_a_data_set_beside_leaves_pretraining_fresh(restored: Project) -> None:
    params = restored.root / "params.yaml"
    params.write_text(params.read_text().replace("datasets:\n", "datasets:\n- mednli\n", 1))
    try:
        named = "gather_pretraining"
        assert name_run(ask(restored, "repro", named)) == {
            "acquire@mednli",
            "prepare@mednli",
            named,
        }
        stale = {name.partition("@")[0] for name in name_stale(restored)}
    finally:
        for folder in ("raw", "examples"):
            shutil.rmtree(restored.root / "data" / folder / "mednli")
    learning = {"fit_image_tokenizer", "tokenize_images", "pretrain", "instruct"}
    assert "finetune" in stale and not stale & learning


def test_an_experiment_runs_what_its_parameter_decides_and_is_compared(restored: Project) -> None:
    said = ask(restored, "exp", "run", "--set-param", "evaluate.bootstrap=120", EVALUATION)
    ran = [line for line in said.splitlines() if line.startswith("Running stage")]
    assert ran == [f"Running stage '{EVALUATION}':"]
    changed = json.loads(ask(restored, "metrics", "diff", "--json"))
    assert set(changed) == {HEADLINE}
    assert set(changed[HEADLINE]) <= {"low", "high"}
    params = json.loads(ask(restored, "params", "diff", "--json"))
    assert params == {"params.yaml": {"evaluate.bootstrap": {"old": 100, "new": 120, "diff": 20}}}
    shown = json.loads(ask(restored, "exp", "show", "--json"))
    assert len(shown[1]["experiments"]) == 1  # below the commit that it began from


def test_tables_of_metrics_can_be_read(finished: Project) -> None:
    shown = json.loads(ask(finished, "metrics", "show", "--json"))[""]["data"]
    places = [f"debug/{name}" for name in DATASETS] + ["zero_shot/debug/vqa_rad"]
    assert set(shown) == {f"data/headlines/{place}.json" for place in places}
    table = ask(finished, "metrics", "show").splitlines()
    assert len(table) == 1 + len(places)
    assert max(map(len, table)) <= 120
    summary = json.loads((finished.root / METRICS).read_text())["scores"]["accuracy"]["all"]
    assert shown[HEADLINE]["data"]["score"] == summary["value"]


def test_curves_of_a_model_are_drawn(restored: Project) -> None:
    curves = "data/models/finetuned/debug/vqa_rad/curves.tsv"
    ask(restored, "plots", "show", curves, "-x", "step", "-y", "loss")
    page = (restored.root / "dvc_plots/index.html").read_text()
    values = [row.split("\t")[1] for row in (restored.root / curves).read_text().splitlines()[1:]]
    assert values and all(value in page for value in values)


def test_losses_and_scores_of_the_run_are_drawn(restored: Project) -> None:
    shown = json.loads(ask(restored, "plots", "show", "--json"))
    assert "errors" not in shown
    losses, scores = (
        shown["data"][name][0]["content"]["data"]["values"] for name in ("losses", "scores")
    )
    runs = {"pretrained", "instructed", "finetuned VQA-RAD", "finetuned PneumoniaMNIST"}
    assert runs < {row["run"] for row in losses}
    summary = json.loads((restored.root / METRICS).read_text())["scores"]["accuracy"]["all"]
    (row,) = (row for row in scores if row["data set"] == "PneumoniaMNIST, Accuracy")
    told = {"score": "value", "low": "low", "high": "high", "baseline": "baseline"}
    assert all(row[name] == summary[key] for name, key in told.items())


def test_the_graph_of_a_stage_is_shown(finished: Project) -> None:
    graph = ask(finished, "dag", "--dot", EVALUATION)
    for edge in (
        f'"finetune@debug-pneumoniamnist" -> "{EVALUATION}"',
        '"pretrain@debug" -> "finetune@debug-pneumoniamnist"',
    ):
        assert edge in graph
    assert "report" not in graph


def test_products_are_few_files(finished: Project) -> None:
    lock = yaml.safe_load((finished.root / "dvc.lock").read_text())["stages"]
    num_files = {
        out["path"]: out.get("nfiles", 1)
        for name, stage in lock.items()
        if not name.startswith("acquire")  # raw files are as many as their holder made
        for out in stage["outs"]
    }
    assert len(num_files) > 20
    assert {path: num for path, num in num_files.items() if num > MOST_FILES} == {}
