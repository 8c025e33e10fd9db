"""The rules of the house, read off the source: doors, directions, declared code, sizes, names."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.cards import load_cards
from components.config import AcquireParams, Params

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "components").rglob("*.py"))
FLOWS = sorted((ROOT / "flows").rglob("*.py"))
SOURCES = [path.relative_to(ROOT).as_posix() for path in LIBRARY + FLOWS]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
MODULES = {name: block["cmd"].split()[2].rsplit(".", 1)[1] for name, block in STAGES.items()}

# The identity that each stage takes on its command line, and nothing else.
COMMAND_LINES = {
    "acquire": ["source"],
    "acquire_sources": ["source"],
    "ingest_pubmed": [],
    "prepare": ["dataset"],
    "prepare_pretraining": ["dataset"],
    "prepare_biomed_vital": [],
    "build_vocabulary": [],
    "gather_pretraining": [],
    "fit_image_tokenizer": [],
    "tokenize_images": [],
    "audit": [],
    "pretrain": ["size"],
    "finetune": ["size", "dataset"],
    "evaluate": ["size", "dataset"],
    "instruct": ["size"],
    "evaluate_zero_shot": ["size", "dataset"],
    "probe": ["size"],
    "report": [],
}
# Stages that share the parameters of another.
SECTIONS = {
    "acquire_sources": "acquire",
    "prepare_pretraining": "prepare",
    "evaluate_zero_shot": "evaluate",
    "gather_pretraining": "pretrained_on",
}
# What changes no product, so that a stage need not follow it.
WHERE_CHECKPOINTS_LIE = {"compute.checkpoints", "compute.keep_last", "compute.keep_best"}
KEPT_BY_CONTENT = {"compute.keep_answers"}
# Sections that a stage is handed whole, and what of them it need not follow: components/stages says
# why, and leaves the same out of its manifest.
UNFOLLOWED = {
    "acquire": {"max_gib", "medline", "pmc", "workers"},
    "acquire_sources": {"max_gib", "workers"},
}

# Settings of how a run is watched: they change nothing that is made, so no stage follows them.
WATCHING = {"compute.track"}

DOORS = {
    "prefect": ("flows/",),
    "dvc": ("flows/graph.py",),
    "psutil": ("flows/torn.py", "flows/serve.py"),
    "ray": ("components/training/launch.py", "components/scale.py"),
    "boto3": ("components/storage.py",),
    "botocore": ("components/storage.py",),
    "s3fs": ("components/storage.py",),
    "transformers": ("components/tokenization/text.py", "components/huggingface/"),
    "peft": ("components/adapters.py",),
    "dvclive": ("components/tracking.py",),
    "tensorboardX": ("components/tracking.py",),
    "xml2arrow": ("components/pubmed/citation.py",),
    "isal": ("components/pubmed/inflate.py",),
    "rensa": ("components/pubmed/near_duplicates.py",),
    "nltk": ("components/evaluation/meteor.py",),
    "sacrebleu": ("components/evaluation/bleu.py",),
    "pydicom": ("components/readers/dicom.py",),
    "shtab": ("flows/cli.py",),
    "fastapi": ("components/web/",),
    "starlette": ("components/web/",),
    "uvicorn": ("components/web/serve.py",),
    "lm_eval": ("components/interop/harness.py",),
}
UNSAFE = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
# Rooms that must run on a GPU machine with nothing else installed.
GPU_ROOMS = ("components/model/", "components/generation/", "components/training/")
GPU_LIBRARIES = {"torch", "safetensors", "transformers", "ray"}  # ray: behind its own door
GPU_NEIGHBOURS = (
    "components.model",
    "components.generation",
    "components.training",
    "components.errors",
    "components.logs",
)
FLOW_NEIGHBOURS = (
    "components.cli",
    "components.config",
    "components.errors",
    "components.logs",
    "components.profiles",
    "components.progress",
    "components.pubmed.recalled",
    "components.redaction",
    "flows",
)
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 60
MACHINE_PATH = re.compile(r"(?<![\w.}\]])/(?:work|farm|root|home|opt|tmp)/")
REGISTRY_HOST = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|download\.pytorch")


DOOR = "components/stages/door.py"
NOT_OURS = ("LICENSE", "dvc.lock", "params.yaml")  # the last two hold the paths of a person's files


@cache
def parse(source: str) -> ast.Module:
    """The syntax tree of a source file."""
    return ast.parse((ROOT / source).read_text())


@cache
def imported_names(source: str) -> frozenset[str]:
    """Every dotted name that a file imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def has_code(source: str) -> bool:
    """Whether a file holds more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in parse(source).body)


@cache
def imported_files(source: str) -> frozenset[str]:
    """The component files that a file imports, with the packages on the way that hold code."""
    files: set[str] = set()
    for name in imported_names(source):
        parts = name.split(".")
        if parts[0] != "components":
            continue
        for length in range(1, len(parts) + 1):
            stem = "/".join(parts[:length])
            for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
                if (ROOT / candidate).is_file() and has_code(candidate):
                    files.add(candidate)
    return frozenset(files)


def reached_files(module: str) -> set[str]:
    """Every component file that a stage's process may load."""
    reached: set[str] = set()
    waiting = [f"components/stages/{module}.py", "components/__init__.py"]
    while waiting:
        source = waiting.pop()
        if source not in reached:
            reached.add(source)
            waiting += imported_files(source)
    return reached


def functions(source: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(parse(source)) if isinstance(node, kinds)]


def tracked_texts() -> list[str]:
    """Every text file that git tracks or would track, but the licence and what runs write."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [
        name for name in names if name not in NOT_OURS and b"\0" not in (ROOT / name).read_bytes()
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_every_file_that_it_reaches(stage: str) -> None:
    declared = [path for path in STAGES[stage]["deps"] if path.startswith("components/")]
    reached = reached_files(MODULES[stage])
    missing = {
        path
        for path in reached
        if not any(path == dep or path.startswith(f"{dep}/") for dep in declared)
    }
    needless = {
        dep
        for dep in declared
        if not any(path == dep or path.startswith(f"{dep}/") for path in reached)
    }
    assert not missing, f"dvc.yaml, {stage}: add to deps {sorted(missing)}"
    assert not needless, f"dvc.yaml, {stage}: not reached, remove from deps {sorted(needless)}"
    assert declared == sorted(declared), f"dvc.yaml, {stage}: keep deps sorted"


def read_params(source: str) -> set[str]:
    """The keys of params.yaml that a file's functions read: ``section`` or ``section.key``."""
    if source == DOOR:
        return set()
    keys: set[str] = set()
    for function in functions(source):
        arguments = [*function.args.args, *function.args.kwonlyargs]
        names = {a.arg for a in arguments if a.annotation and ast.unparse(a.annotation) == "Params"}
        chains = [ast.unparse(n) for n in ast.walk(function) if isinstance(n, ast.Attribute)]
        keys.update(chain.split(".", 1)[1] for chain in chains if chain.split(".")[0] in names)
    keys = {re.sub(r"\.(model_dump|for_run)$", "", key) for key in keys}
    return {key for key in keys if not any(other.startswith(f"{key}.") for other in keys)}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_every_setting_that_it_reads(stage: str) -> None:
    declared = {key for key in STAGES[stage]["params"] if isinstance(key, str)}
    read = set().union(*(read_params(source) for source in reached_files(MODULES[stage])))
    if stage in UNFOLLOWED:
        fields = set(AcquireParams.model_fields)
        assert fields >= UNFOLLOWED[stage]
        read = read - {"acquire"} | {f"acquire.{name}" for name in fields - UNFOLLOWED[stage]}
    missing = {
        key
        for key in read - WHERE_CHECKPOINTS_LIE - KEPT_BY_CONTENT - WATCHING
        if not any(key == known or key.startswith(f"{known}.") for known in declared)
    }
    assert not missing, f"dvc.yaml, {stage}: add to params {sorted(missing)}"
    section = SECTIONS.get(stage, stage)
    assert any(key.partition(".")[0] == section for key in declared)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_takes_its_identity_and_nothing_else(stage: str) -> None:
    module, identity = MODULES[stage], COMMAND_LINES[stage]
    options = " ".join(f"--{name} ${{item.{name}}}" for name in identity)
    expected = f"python -m components.stages.{module} {options}".rstrip()
    assert STAGES[stage]["cmd"] == expected
    calls = [
        [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        for node in ast.walk(parse(f"components/stages/{module}.py"))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "enter"
    ]
    assert calls == [[module, *identity]]


def test_one_word_names_a_stage_everywhere() -> None:
    from flows.pipeline import STAGES as SCHEDULED

    assert set(COMMAND_LINES) == set(STAGES)
    assert sorted(SCHEDULED) == sorted(STAGES)
    assert {SECTIONS.get(name, name) for name in STAGES} <= set(Params.model_fields)


def step_inside(found: list[Any], key: str) -> list[Any]:
    """What stands under a key, as a list of one, or nothing."""
    return [value[key] for value in found if key in value]


@pytest.mark.parametrize(
    "stage",
    [
        "acquire",
        "acquire_sources",
        "prepare",
        "prepare_pretraining",
        "prepare_biomed_vital",
        "evaluate",
        "evaluate_zero_shot",
    ],
)
def test_a_manifest_holds_what_dvc_follows_of_a_card(stage: str) -> None:
    module = importlib.import_module(f"components.stages.{MODULES[stage]}")
    (followed,) = (entry for entry in STAGES[stage]["params"] if isinstance(entry, dict))
    assert list(followed.values()) == [list(module.FACTS)]


@pytest.mark.parametrize("stage", ["evaluate", "evaluate_zero_shot"])
def test_predictions_follow_no_metric_that_they_are_scored_by(stage: str) -> None:
    module = importlib.import_module(f"components.stages.{stage}")
    assert {*module.FACTS} - {*module.ASKED} == {"metrics"}


def test_cards_hold_every_key_that_a_stage_tracks() -> None:
    tracked: set[str] = set()
    for block in STAGES.values():
        for entry in block["params"]:
            if isinstance(entry, dict):
                tracked.update(*entry.values())
    for card in load_cards(ROOT / "data/cards"):
        path = ROOT / "data/cards" / f"{card.name}.yaml"
        written = yaml.safe_load(path.read_text())
        absent = {key for key in tracked if not reduce(step_inside, key.split("."), [written])}
        assert not absent, f"{path.name}: DVC follows {sorted(absent)}: write them, though empty"


@pytest.mark.parametrize("source", SOURCES)
def test_libraries_have_one_door(source: str) -> None:
    libraries = {name.split(".")[0] for name in imported_names(source)}
    for library, doors in DOORS.items():
        assert library not in libraries or source.startswith(doors), f"{library} in {source}"
    assert not libraries & UNSAFE, f"{source}: no pickle of any kind"


@pytest.mark.parametrize("source", SOURCES)
def test_imports_run_one_way(source: str) -> None:
    names = imported_names(source)
    if source.startswith("flows/"):
        strangers = {n for n in names if n.startswith("components")}
        assert {n for n in strangers if not n.startswith(FLOW_NEIGHBOURS)} - {
            "components.cli"
        } == set()
        return
    assert not {name for name in names if name.split(".")[0] == "flows"}
    if not source.startswith("components/stages/"):
        assert not {name for name in names if name.startswith("components.stages")}
    if source.startswith(GPU_ROOMS):
        allowed = GPU_LIBRARIES | set(sys.stdlib_module_names) | {"components"}
        assert {name.split(".")[0] for name in names} <= allowed
        inside = {name for name in names if name.split(".")[0] == "components"}
        assert {name for name in inside if not name.startswith(GPU_NEIGHBOURS)} == set()


@pytest.mark.parametrize("source", SOURCES)
def test_files_and_functions_are_short(source: str) -> None:
    assert len((ROOT / source).read_text().splitlines()) <= MAX_FILE_LINES
    for function in functions(source):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= MAX_FUNCTION_LINES, f"{source}:{function.lineno} {function.name}: {length}"


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_happens_at_import(source: str) -> None:
    for node in parse(source).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_guard = isinstance(node, ast.If) and "__name__" in ast.dump(node.test)
        settled = (
            ast.Import,
            ast.ImportFrom,
            ast.Assign,
            ast.AnnAssign,
            ast.FunctionDef,
            ast.AsyncFunctionDef,
            ast.ClassDef,
        )
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        assert is_docstring or is_guard or is_typing or isinstance(node, settled), (
            f"{source}:{node.lineno}: work at import time"
        )


@pytest.mark.parametrize("source", SOURCES)
def test_no_error_is_swallowed_and_nothing_is_left_open(source: str) -> None:
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.ExceptHandler):
            idle = all(isinstance(step, ast.Pass | ast.Continue) for step in node.body)
            assert not idle, f"{source}:{node.lineno}: an error is swallowed"
            assert node.type is not None, f"{source}:{node.lineno}: bare except"
        if isinstance(node, ast.Name):
            assert node.id != "NotImplementedError", f"{source}:{node.lineno}: a stub"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", (ROOT / source).read_text()), source


@pytest.mark.parametrize("source", SOURCES)
def test_names_say_what_a_file_holds(source: str) -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"}
    assert not vague & set(Path(source).with_suffix("").parts)


def test_no_path_of_one_machine_and_no_registry_host() -> None:
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name in tracked_texts()
        for number, line in enumerate((ROOT / name).read_text().splitlines(), start=1)
        if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line)
    ]
    assert not [line for line in found if not line.startswith("tests/test_architecture.py")], found
