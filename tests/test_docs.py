"""The documentation is true: what it names is there, its commands parse, its settings validate."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import get_origin

import pytest
import yaml
from pydantic import BaseModel

from components.cards import Card, load_cards
from components.config import Params
from components.profiles.overlay import merge, read_profile
from components.records import SCHEMAS
from components.reference.pages import make_pages
from components.schema import validate
from flows.cli import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
TREES = ("components/", "flows/", "tests/", "docs/", "benchmarks/", "data/cards/")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [text for of, text in BLOCK.findall(page.read_text()) if of == language]


def phrases(page: Path) -> list[str]:
    """What stands between backticks in the text around the blocks, each on one line."""
    return [" ".join(found.split()) for found in INLINE.findall(BLOCK.sub("", page.read_text()))]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every command that a page names, without environment and path of a program."""
    lines = [line for text in blocks(page, "sh") for line in text.replace("\\\n", " ").splitlines()]
    for line in [*lines, *phrases(page)]:
        if not re.match(r"(\S+=\S* )*(\S*/)?(biomedgpt|make|dvc) ", line):
            continue
        words = list(takewhile(lambda word: word != "|", shlex.split(line, comments=True)))
        start = next(i for i, word in enumerate(words) if "=" not in word)
        yield [Path(words[start]).name, *words[start + 1 :]]


def leave(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """Parse the words; SystemExit with another status than 0 where they are no command."""
    try:
        parser.parse_args(words)
    except SystemExit as end:  # of --help
        if end.code:
            raise


COMMANDS = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_one(words: list[str]) -> None:
    program, *rest = words
    if program == "biomedgpt":
        leave(build_parser(), rest)
    elif program == "make":
        assert {word for word in rest if "=" not in word} <= TARGETS
    elif rest[0] == "repro":
        named = [word.split("@") for word in rest[1:] if not word.startswith("-")]
        for stage, *items in named:
            assert stage in STAGES
            assert not items or {"foreach", "matrix"} & set(STAGES[stage])


def test_commands_are_found_and_wrong_ones_fail() -> None:
    found = {words[0] for param in COMMANDS for words in param.values}
    assert found == {"biomedgpt", "make", "dvc"}
    with pytest.raises(SystemExit):
        leave(build_parser(), ["plan", "pretrian"])


SETTINGS = [
    pytest.param(text, id=f"{page.name}: {text.split()[0]} {number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "yaml"))
]


@pytest.mark.parametrize("text", SETTINGS)
def test_a_block_of_settings_validates(text: str) -> None:
    demo = read_profile("demo")
    overlaid = merge(demo, yaml.safe_load(text), "docs")
    # what a block takes for granted: cards of the data sets that it names in one list
    overlaid["sources"] = sorted({*demo["sources"], *overlaid["sources"]})
    overlaid["datasets"] = sorted({*demo["datasets"], *overlaid["datasets"]})
    params = validate(Params, overlaid, "docs")
    known = {card.name for card in load_cards(ROOT / "data/cards")}
    assert {*params.datasets, *params.sources} <= known


def is_setting(model: type[BaseModel], names: list[str]) -> bool:
    """Whether a dotted path leads to a key; any name does below a mapping."""
    if not names:
        return True
    if names[0] not in model.model_fields:
        return False
    kind = model.model_fields[names[0]].annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return is_setting(kind, names[1:])
    return len(names) == 1 or get_origin(kind) is dict


def is_there(phrase: str) -> bool:
    """Whether a setting or a file of that name exists, of a phrase that looks like one."""
    setting = phrase.partition(":")[0]
    section, *names = setting.split(".")
    if names and section in Params.model_fields and re.fullmatch(r"[a-z_.]+", setting):
        return is_setting(Params, [section, *names])
    is_file = phrase.startswith(TREES) and not re.search(r"[A-Z]{2}|\s", phrase)
    return not is_file or (ROOT / phrase).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_files_that_a_page_names_are_there(page: Path) -> None:
    begun = {f"data/cards/{words[2]}.yaml" for words in commands(page) if "new-dataset" in words}
    assert not [phrase for phrase in phrases(page) if not is_there(phrase) and phrase not in begun]


def test_a_setting_or_file_that_is_not_there_is_seen() -> None:
    names = ["compute.worker: 2", "compute.workers.x", "components/nothing.py", "docs/nothing.md"]
    assert not [name for name in names if is_there(name)]
    assert (
        is_there("compute.workers") and is_there("plan.gpus") and is_there("data/cards/NAME.yaml")
    )


def leaves(model: type[BaseModel], section: str = "") -> Iterator[tuple[str, str]]:
    """Every key that is no section itself, with the path of its section."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{section}.{name}".lstrip("."))
        else:
            yield section, name


def test_the_reference_holds_every_setting_card_column_and_command() -> None:
    pages = make_pages(build_parser())
    sections = dict(re.findall(r"^## `(.*?)`\n(.*?)(?=^## |\Z)", pages["params"], re.M | re.S))
    sections[""] = pages["params"].split("\n## ")[0]
    for section, name in leaves(Params):
        row = re.search(rf"^\| `{name}` \| (.*?) \|", sections[section], re.M)
        assert row and row[1], f"{section}.{name} has no row, or no description"
    for name in Card.model_fields:
        assert re.search(rf"`{name}(\[\]|\.NAME)?`", pages["cards"]), name
    for kind, schema in SCHEMAS.items():
        section = pages["records"].split(f"\n## {kind.__name__}\n")[1].split("\n## ")[0]
        assert [f"`{field.name}`" for field in schema] == re.findall(
            r"^\| (`\w+`) \|", section, re.MULTILINE
        )
    for command in ("run", "plan", "use", "rating unblind", "import"):
        assert f"## `biomedgpt {command}`" in pages["commands"]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="make install brings mkdocs-material")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    front = (tmp_path / "site/index.html").read_text()
    assert 'href="tutorial.html"' in front
    assert "docs/" not in re.findall(r'(?:src|href)="([^"]*)"', front)
