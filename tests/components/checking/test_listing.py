"""``biomedgpt datasets``: every card, and whether it is ready on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.cards import load_card, load_cards
from components.checking.listing import Listed, list_datasets
from components.checking.words import shorten_licence
from components.cli import run_command
from components.config import AcquireParams, Params, load_params
from components.profiles.overlay import write_params
from components.sample.settings import SampleSettings
from components.sample.world import make_source
from components.stages import acquire, prepare
from flows.cli import build_parser

CARDS = Path(__file__).resolve().parents[3] / "data/cards"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    shutil.copytree(CARDS, tmp_path / "data/cards")
    write_params("demo")
    return tmp_path


def settings(mode: str, root: str = "") -> AcquireParams:
    changes = {"mode": mode, "root": root}
    return load_params().acquire.model_copy(update=changes)


def look(name: str, mode: str, root: str = "") -> Listed:
    (found,) = list_datasets([load_card(name)], settings(mode, root))
    return found


def test_every_card_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(build_parser(), ["datasets"]) == 0
    told = capsys.readouterr().out
    names = [card.name for card in load_cards()]
    rows = {line.split()[0]: line for line in told.splitlines()[1:] if line.strip()}
    assert set(names) <= rows.keys()
    assert sum(" * " in rows[name] for name in names) == 23
    assert "credentialed" in rows["mednli"] and "11,232 / 1,395 / 1,422" in rows["mednli"]
    assert max(len(line) for line in told.splitlines()) <= 120


def test_all_of_one_card_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(build_parser(), ["datasets", "mednli"]) == 0
    told = capsys.readouterr().out
    for words in ("PhysioNet", "83.8 [F: BLOG]", "mli_train_v1.jsonl", "[F: BLUE]", "EMNLP 2018"):
        assert words in told
    assert run_command(build_parser(), ["datasets", "iu_xray"]) == 0
    assert "projections indiana_projections.csv (if there)" in capsys.readouterr().out


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(build_parser(), ["datasets", "medxpert"]) == 2
    assert "no card named 'medxpert'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "mode", "state"),
    [
        ("vqa_rad", "sample", "made"),
        ("bpe", "sample", "missing"),
        ("vqa_rad", "local", "missing"),
        ("vqa_rad", "download", "missing"),
        ("pubmed", "download", "fetched"),
        ("mednli", "download", "missing"),
    ],
)
def test_the_state_follows_the_mode(name: str, mode: str, state: str) -> None:
    found = look(name, mode)
    assert (found.state, found.is_ready) == (state, state != "missing")


def test_the_state_follows_the_files(project: Path) -> None:
    small = SampleSettings(num_images=20, num_texts=20, image_px=28, seed=7)
    make_source("vqa_rad", project / "raw/vqa_rad", small)
    assert look("vqa_rad", "local", "raw").state == "found"
    assert look("vqa_rad", "local", "elsewhere").state == "missing"
    assert look("vqa_rad", "local").splits == "1,797 / - / 451"
    values = load_params().model_dump()
    values["acquire"] |= {"mode": "local", "root": "raw"}
    params = Params(**values)
    acquire.run(params, "vqa_rad")
    assert look("vqa_rad", "local").state == "acquired"
    prepare.run(params, "vqa_rad")
    found = look("vqa_rad", "local")
    assert found.state == "prepared" and found.splits.endswith(" here")


@pytest.mark.parametrize(
    ("licence", "short"),
    [
        ("CC0 1.0", "CC0 1.0"),
        ("unclear; the images belong to others", "unclear"),
        ("MIT (GPT-2's two files), Apache-2.0", "MIT"),
        ("PhysioNet Credentialed Health Data License", "PhysioNet Credentiale..."),
    ],
)
def test_a_licence_is_shortened_to_its_first_words(licence: str, short: str) -> None:
    assert shorten_licence(licence) == short
