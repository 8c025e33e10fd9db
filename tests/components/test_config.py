"""params.yaml at the door: a mistyped key or value is named, with what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.config import Params, load_params
from components.errors import UserError
from components.model.config import SIZES, model_config
from components.profiles.overlay import read_profile
from components.schema import load_yaml, validate
from components.training_config import MAX_CELLS, MAX_POSITIONS
from tests.canaries import CORES, ENVIRONMENT, TEXTS

Change = Callable[[dict[str, Any]], object]


def complaint(change: Change) -> str:
    """What is said of the demo's parameters after a change."""
    values = yaml.safe_load(yaml.safe_dump(read_profile("demo")))
    change(values)
    with pytest.raises(UserError) as caught:
        validate(Params, values, "params.yaml")
    assert caught.value.what.startswith("params.yaml: ")
    return caught.value.why


def test_values_that_stand_beside_each_other_make_no_secret() -> None:
    values = read_profile("demo")
    values["acquire"]["root"], values["acquire"]["state"] = "password:", "hunter2hunter2"
    assert validate(Params, values, "demo").acquire.root == "password:"


@pytest.mark.parametrize("secret", [*TEXTS.values(), *ENVIRONMENT.values()])
def test_a_value_that_looks_like_a_secret_is_refused_and_not_shown(
    secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    values = read_profile("demo")
    values["acquire"]["root"] = secret
    values["datasets"].append(secret)
    values["seed"] = secret  # of the wrong type, which would be shown
    values["compute"][secret] = 1
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"acquire\.root") as caught:
        load_params(path)
    said = str(caught.value)
    assert not any(core in said for core in CORES)
    for key in ("seed", "datasets.8", "compute.[hidden]"):
        assert key in said
    assert "AWS_SECRET_ACCESS_KEY" in said


def test_the_repository_s_own_file_is_valid(repository: Path) -> None:
    assert load_params(repository / "params.yaml").compute.parallel_stages >= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda v: v["finetune"].update(learning_rte=1.0),
            "finetune.learning_rte: unknown key; did you mean learning_rate? Allowed here: "
            "augment, clip_norm, constrain_answers,",
        ),
        (lambda v: v.update(finetun={}), "finetun: unknown key; did you mean finetune? Allowed"),
        (
            lambda v: v["audit"].update(zzz=1),
            "audit.zzz: unknown key. Allowed here: drop",
        ),
        (
            lambda v: v["pretrain"]["mixture"].update(txt=1),
            "pretrain.mixture.txt: unknown key; did you mean text? Allowed here: detection, image",
        ),
        (lambda v: v["pretrain"]["mixture"].pop("text"), "pretrain.mixture.text: missing"),
        (
            lambda v: v["pretrain"]["mixture"].update(vision_language=0),
            "pretrain.mixture.vision_language: Input should be greater than or equal to 1, not 0",
        ),
        (lambda v: v.pop("seed"), "seed: missing"),
        (lambda v: v["report"].pop("examples_per_dataset"), "report.examples_per_dataset: missing"),
        (
            lambda v: v["pretrain"].update(learning_rate=yaml.safe_load("1e-4")),
            "pretrain.learning_rate: Input should be a valid number, not '1e-4' "
            "(YAML reads 1e-4 as text: write 1.0e-4)",
        ),
        (lambda v: v.update(seed="7"), "seed: Input should be a valid integer, not '7'"),
        (lambda v: v["prepare"].update(max_train=1.5), "prepare.max_train: Input should be"),
        (
            lambda v: v["acquire"].update(mode="copy"),
            "acquire.mode: Input should be 'sample', 'local' or 'download', not 'copy'",
        ),
        (lambda v: v["finetune"].update(dropout=1.0), "finetune.dropout: Input should be less"),
        (lambda v: v.update(sizes="debug"), "sizes: Input should be a valid list, not 'debug'"),
        (
            lambda v: v["build_vocabulary"].update(text="files"),
            "sources must name ['bpe']: stages of dvc.yaml read them",
        ),
        (
            lambda v: v.update(pretraining_sources=["deeplesion", "chexpert"]),
            "pretraining_sources names ['chexpert'], which are not in sources",
        ),
        *(
            (lambda v, key=key: v[key].append(v[key][0]), f"{key} name ['{first}'] more than once")
            for key, first in (
                ("pretrained_on", "slake"),
                ("pretraining_sources", "deeplesion"),
                ("zero_shot_on", "vqa_rad"),
            )
        ),
        (
            lambda v: v["evaluate"]["conditions"].append("full"),
            "evaluate.conditions name ['full'] more than once",
        ),
        (
            lambda v: v["finetune"].update(max_source_tokens=1025),
            "finetune.max_source_tokens: Input should be less than or equal to 1024, not 1025",
        ),
        (
            lambda v: v["finetune"].update(long_text="skip"),
            "finetune.long_text: Input should be 'cut' or 'refuse', not 'skip'",
        ),
        *(
            (lambda v, change=change: v.update(seed=change), words)
            for change, words in ((-1, "seed: Input should be greater"), (2**31, "seed: Input"))
        ),
        *(
            (
                lambda v, rate=rate: v["finetune"].update(learning_rate=yaml.safe_load(rate)),
                "finetune.learning_rate: Input should be a finite number",
            )
            for rate in (".inf", ".nan")
        ),
        (
            lambda v: v["evaluate"].update(max_target_tokens=5000),
            "evaluate.max_target_tokens: Input should be less than or equal to 1023, not 5000",
        ),
        *(
            (
                lambda v, stage=stage: v[stage].update(image_px=1000),
                f"{stage}.image_px: Input should be less than or equal to {most}",
            )
            for stage, most in (
                ("pretrain", 672),
                ("finetune", 672),
                ("instruct", 672),
                ("tokenize_images", 248),
            )
        ),
        (lambda v: v.update(audit=None), "audit: Input should be a valid dictionary"),
    ],
)
def test_a_bad_key_is_named_with_what_is_allowed(change: Change, words: str) -> None:
    assert words in complaint(change)


def test_every_fault_is_told_at_once() -> None:
    def spoil(values: dict[str, Any]) -> None:
        values.update(seed="7", sizees=[])

    assert len(complaint(spoil).splitlines()) == 2


def test_parameters_do_not_change_after_the_door() -> None:
    params = validate(Params, read_profile("demo"), "demo")
    with pytest.raises(ValidationError, match="frozen"):
        params.seed = 8


def test_a_run_takes_the_stage_then_the_card_then_the_size() -> None:
    values = read_profile("demo")
    values["finetune"]["overrides"] = {"debug": {"steps": 5}}
    stage = validate(Params, values, "demo").finetune
    assert stage.for_run("debug", {"steps": 4, "dropout": 0.25}).steps == 5
    assert stage.for_run("micro", {"steps": 4, "dropout": 0.25}).steps == 4
    assert stage.for_run("micro", {"steps": 4, "dropout": 0.25}).dropout == 0.25
    assert stage.for_run("micro").steps == stage.steps
    with pytest.raises(UserError, match="settings of size micro") as caught:
        stage.for_run("micro", {"step": 4})
    assert "step: unknown key; did you mean steps?" in caught.value.why


def test_the_token_limit_is_that_of_every_size() -> None:
    assert {model_config(size).max_positions for size in SIZES} == {MAX_POSITIONS}


def test_the_image_s_grid_is_that_of_every_size() -> None:
    assert {model_config(size).image_bucket_size for size in SIZES} == {MAX_CELLS}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml is missing") as caught:
        load_params(tmp_path / "params.yaml")
    assert caught.value.next_command == "biomedgpt use demo"
    (tmp_path / "bad.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(UserError, match=r"bad\.yaml is not YAML") as caught:
        load_yaml(tmp_path / "bad.yaml")
    assert "line 2" in caught.value.why
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    with pytest.raises(UserError, match=r"empty\.yaml: 1 bad setting\n") as caught:
        load_params(tmp_path / "empty.yaml")
    assert "should be a valid dictionary" in caught.value.why


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(UserError, match="is not YAML"):
        load_yaml(tmp_path / "evil.yaml")


@pytest.mark.parametrize("shared", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_that_unfold_to_a_billion_values_are_refused_unbuilt(
    tmp_path: Path, shared: str
) -> None:
    tenfold = [shared.format(", ".join([f"*v{n}"] * 10)) for n in range(9)]
    lines = ["v0: &v0 {k: x}", *(f"v{n}: &v{n} {text}" for n, text in enumerate(tenfold, 1))]
    (tmp_path / "laughs.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="is not YAML") as caught:
        load_yaml(tmp_path / "laughs.yaml")
    assert "its aliases" in caught.value.why


def test_an_alias_means_what_it_stands_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n")
    assert load_yaml(tmp_path / "a.yaml") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("content", "told", "why"),
    [
        ("seed: 7\n".encode("utf-16"), "is not UTF-8", "codec can't decode"),
        (b"a:\n  steps: 1\n  lr: 2\n  steps: 3\n", "is not YAML", "line 4"),
        (b"a:\n  steps: 1\n  lr: 2\n  steps: 3\n", "is not YAML", "'steps' stands twice"),
        (b"a: 2024-99-99\n", "is not YAML", "month"),
        (b"a: !!int ''\n", "is not YAML", "does not fit the tag"),
        (b"a: !!timestamp x\n", "is not YAML", "does not fit the tag"),
        (b"a: !!bool x\n", "is not YAML", "does not fit the tag"),
        (b"a: &a [*a]\n", "is not YAML", "aliases"),
        pytest.param(b"[" * 200_000, "is not YAML", "nested more than", id="lists"),
        pytest.param(b"- " * 200_000, "is not YAML", "nested more than", id="dashes"),
        pytest.param(b"{a: " * 200_000, "is not YAML", "nested more than", id="mappings"),
    ],
)
def test_a_file_that_means_nothing_or_two_things(
    tmp_path: Path, content: bytes, told: str, why: str
) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(UserError, match=told) as caught:
        load_yaml(tmp_path / "bad.yaml")
    assert why in caught.value.why


def test_letters_beyond_ascii_and_a_mark_of_utf_8_are_read(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_bytes("\ufeffname: naïve\n".encode())
    assert load_yaml(tmp_path / "good.yaml") == {"name": "naïve"}
