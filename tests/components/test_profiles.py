"""Profiles: each is valid, and params.yaml is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from components.cards import load_card
from components.config import RELEASED_BPE, Params, load_params
from components.errors import UserError
from components.model.config import SIZES
from components.profiles import overlay
from components.profiles.overlay import (
    describe_folder,
    merge,
    read_profile,
    render_params,
    write_params,
)
from components.schema import validate

PROFILES = sorted(path.stem for path in overlay.FOLDER.glob("*.yaml") if path.stem != "defaults")


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid_and_names_known_sizes_and_cards(
    name: str, repository: Path
) -> None:
    params = validate(Params, read_profile(name), name)
    assert params.profile == name
    assert set(params.sizes) <= set(SIZES)
    for dataset in [*params.datasets, *params.sources]:
        assert load_card(dataset, repository / "data" / "cards").name == dataset


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_hides_what_its_codes_describe(name: str) -> None:
    params = validate(Params, read_profile(name), name)
    if params.tokenize_images.crop == "centre":
        assert params.pretrain.image_px == 2 * params.tokenize_images.image_px


@pytest.mark.parametrize("name", ["base", "large", "xlarge"])
def test_a_large_profile_has_the_released_id_space_and_image_tokenizer(name: str) -> None:
    params = validate(Params, read_profile(name), name)
    words = params.build_vocabulary
    assert (words.text, words.num_codes, words.num_bins) == ("files", 8192, 1000)
    assert RELEASED_BPE in params.sources
    assert params.fit_image_tokenizer.start_from


@pytest.mark.parametrize("name", PROFILES)
def test_a_written_profile_reads_back(name: str, tmp_path: Path) -> None:
    target = tmp_path / "params.yaml"
    written = write_params(name, raw=str(tmp_path), target=target)
    assert load_params(target) == written
    assert (written.acquire.mode, written.acquire.root) == ("local", str(tmp_path.resolve()))
    assert f"biomedgpt use {name}" in target.read_text().splitlines()[1]
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_the_file_keeps_the_order_of_the_defaults() -> None:
    defaults = yaml.safe_load((overlay.FOLDER / "defaults.yaml").read_text())
    for name in PROFILES:
        values = yaml.safe_load(render_params(read_profile(name)))
        assert list(values) == list(defaults)


@pytest.mark.skipif("CI" not in os.environ, reason="a person may change params.yaml freely")
def test_the_repository_s_file_is_the_demo_as_written(repository: Path) -> None:
    assert (repository / "params.yaml").read_text() == render_params(read_profile("demo"))


def refuse(tmp_path: Path, name: str, raw: str | None, words: str) -> None:
    """Check that params.yaml stays as it was, and what is said."""
    target = tmp_path / "params.yaml"
    target.write_text("mine: 1\n")
    with pytest.raises(UserError, match=words):
        write_params(name, raw=raw, target=target)
    assert target.read_text() == "mine: 1\n"
    assert [path.name for path in tmp_path.glob("params*")] == ["params.yaml"]


def test_an_error_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(tmp_path, "dmo", None, "no profile named 'dmo'")
    refuse(tmp_path, "defaults", None, "no profile named 'defaults'")
    refuse(tmp_path, "../demo", None, "no profile named")
    refuse(tmp_path, "real", None, "takes raw files from a folder, and none was named")
    refuse(tmp_path, "demo", str(tmp_path / "nowhere"), "is not a folder")
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "defaults.yaml").write_text((overlay.FOLDER / "defaults.yaml").read_text())
    (folder / "odd.yaml").write_text("finetune:\n  stepz: 3\n")
    (folder / "flat.yaml").write_text("finetune: 3\n")
    monkeypatch.setattr(overlay, "FOLDER", folder)
    refuse(tmp_path, "odd", None, r"finetune\.stepz: unknown key; did you mean steps\?")
    refuse(tmp_path, "flat", None, "profile flat: finetune is a section, not 3")


def test_overlays_go_section_by_section() -> None:
    values = {"a": 1, "b": {"c": [1, 2], "d": {"e": 3}}}
    assert merge(values, {"b": {"c": [9], "d": {"e": 4}}, "z": 5}, "x") == {
        "a": 1,
        "b": {"c": [9], "d": {"e": 4}},
        "z": 5,
    }
    assert values == {"a": 1, "b": {"c": [1, 2], "d": {"e": 3}}}


def test_changed_raw_files_change_the_parameters(tmp_path: Path) -> None:
    raw, target = tmp_path / "raw", tmp_path / "params.yaml"
    raw.mkdir()
    (raw / "a.json").write_text("[1]")
    first = write_params("real", raw=str(raw), target=target).acquire.state
    assert write_params("real", raw=str(raw), target=target).acquire.state == first != ""
    (raw / "a.json").write_text("[1, 2]")
    assert write_params("real", raw=str(raw), target=target).acquire.state != first


def test_two_who_write_the_parameters_at_once_both_write_them_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, replace = tmp_path / "params.yaml", Path.replace
    begun = list[Path]()

    def let_the_other_go_first(path: Path, to: Path) -> Path:
        begun.append(path)
        if len(begun) == 1:
            write_params("demo", target=target)
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", let_the_other_go_first)
    write_params("real", raw=str(tmp_path), target=target)
    assert len(begun) == 2 and load_params(target).profile == "real"
    assert list(tmp_path.iterdir()) == [target]


def test_raw_files_are_described_while_somebody_copies_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole.json").write_text("[1]")
    before, is_file = describe_folder(tmp_path), Path.is_file
    copied = tmp_path / ".new.json.x1"
    copied.write_text("[2]")

    def end(path: Path) -> bool:
        found = is_file(path)
        if path == copied:
            copied.unlink()
        return found

    monkeypatch.setattr(Path, "is_file", end)
    assert describe_folder(tmp_path) == before
