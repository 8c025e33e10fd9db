"""Files of others to our folders and back: the same numbers, and nothing else."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.checkpoints import exporting, importing
from components.checkpoints.exporting import export_checkpoint
from components.checkpoints.importing import REPORT, import_checkpoint
from components.checkpoints.matching import Match
from components.checkpoints.source import Limits
from components.cli import run_command
from components.errors import UserError
from components.huggingface.configuration import BiomedGptConfig
from components.huggingface.modeling import BiomedGptModel
from components.model.weights import CONFIG, load_model, save_model
from components.tokenization.image import encode_images, load_tokenizer, save_tokenizer
from components.tokenization.vqgan import Vqgan, VqganConfig
from flows.cli import build_parser
from tests.components.checkpoints.conftest import Sample, make_own
from tests.components.checkpoints.test_reading import Payload

SMALL_VQGAN = VqganConfig(channels=32, latent=4, num_codes=6, multipliers=(1, 2), num_blocks=1)
EXACT = 1e-4
HALF = 0.02  # of logits with a deviation of about 1: weights of 11 bits


def halve(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}


def zeros(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: torch.zeros_like(v) for k, v in tensors.items()}


@pytest.mark.parametrize("form", ["float32", "float16", "old", "averaged"])
def test_a_fairseq_file_gives_the_same_logits(sample: Sample, tmp_path: Path, form: str) -> None:
    held = {
        "float32": sample.checkpoint,
        "float16": lambda: sample.checkpoint(model=halve(sample.tensors)),
        "old": lambda: sample.checkpoint(cfg=None, args=Namespace(**sample.flags)),
        "averaged": lambda: sample.checkpoint(
            model=zeros(sample.tensors),
            extra_state={"ema": halve(sample.tensors), "ema_fp32_params": sample.tensors},
        ),
    }[form]()
    torch.save(held, tmp_path / "any.name", _use_new_zipfile_serialization=form != "old")
    out = tmp_path / "out"
    report = import_checkpoint(tmp_path / "any.name", out, averaged=form == "averaged")
    model = load_model(out)
    assert sample.distance(model) < (HALF if form == "float16" else EXACT)
    assert model.config == sample.config
    assert report["missing"] == report["unexpected"] == report["drawn"] == []
    assert report["parameters"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_the_port_gives_the_same_logits(sample: Sample, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "original.safetensors"
    save_file({name: value.clone() for name, value in sample.tensors.items()}, path)
    import_checkpoint(path, tmp_path / "ours")
    written = tmp_path / "port" / f"weights{suffix}"
    export_checkpoint(tmp_path / "ours", written, "huggingface")
    report = import_checkpoint(written, tmp_path / "again")
    assert report["kind"] == "huggingface"
    assert sample.distance(load_model(tmp_path / "again")) < EXACT


@pytest.mark.parametrize(
    ("names", "file", "change"),
    [
        ("fairseq", "a.pt", {"disable_entangle": False, "drop_path": 0.2, "init_std": 0.5}),
        ("fairseq", "a.pth", {"scale_resids": True, "interpolate_position": True}),
        ("fairseq", "b.pt", {"attn_scale_factor": 3.0}),
        ("huggingface", "a.bin", {"dropout": 0.3, "trunk_drop_path": 0.1}),
        ("huggingface", "a.safetensors", {"original_image_size": 96, "attention_dropout": 0.1}),
    ],
)
def test_out_and_in_again_is_exact(
    tmp_path: Path, names: str, file: str, change: dict[str, Any]
) -> None:
    save_model(make_own(**change), tmp_path / "model")
    export_checkpoint(tmp_path / "model", tmp_path / "other" / file, names)
    import_checkpoint(tmp_path / "other" / file, tmp_path / "again")
    before, after = (load_file(tmp_path / n / "model.safetensors") for n in ("model", "again"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (tmp_path / "model" / CONFIG).read_text() == (tmp_path / "again" / CONFIG).read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"disable_entangle": False},
        {"scale_resids": True},
        {"interpolate_position": True},
        {"attn_scale_factor": 3.0},
    ],
)
def test_the_port_cannot_hold_what_it_would_compute_otherwise(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Its code has neither part, and scales all attention by 2: it would not say a word."""
    save_model(make_own(**change), tmp_path / "model")
    with pytest.raises(UserError, match="cannot hold") as caught:
        export_checkpoint(tmp_path / "model", tmp_path / "a.bin", "huggingface")
    assert next(iter(change)) in caught.value.why
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize(
    ("names", "file", "right"),
    [
        ("fairseq", "a.safetensors", ".pt or .pth"),
        ("fairseq", "a", ".pt or .pth"),
        ("huggingface", "a.pt", ".safetensors or .bin"),
    ],
)
def test_a_suffix_of_another_format_is_refused(
    tmp_path: Path, names: str, file: str, right: str
) -> None:
    save_model(make_own(), tmp_path / "model")
    with pytest.raises(UserError, match="cannot hold the names") as caught:
        export_checkpoint(tmp_path / "model", tmp_path / file, names)
    assert right in caught.value.why
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("kind", "what", "further"),
    [
        ("absent", "is no folder", "no model.safetensors and no config.json"),
        ("empty", "holds no model", "biomedgpt import"),
        ("tokenizer", "is an image tokenizer, and only models are exported", "taming"),
        ("transformers", "was written by transformers", "to_folder"),
        ("torn", "config.json is no config", "Expecting"),
    ],
)
def test_what_is_no_model_is_not_exported(
    tmp_path: Path, kind: str, what: str, further: str
) -> None:
    folder = tmp_path / kind
    if kind == "tokenizer":
        save_tokenizer(Vqgan(SMALL_VQGAN), folder)
    elif kind == "transformers":
        BiomedGptModel(BiomedGptConfig.of(make_own().config)).save_pretrained(folder)
    elif kind != "absent":
        folder.mkdir()
    if kind == "torn":
        (folder / CONFIG).write_text("{")
        (folder / "model.safetensors").touch()
    with pytest.raises(UserError, match=what) as caught:
        export_checkpoint(folder, tmp_path / "a.pt", "fairseq")
    assert str(folder) in caught.value.what and further in str(caught.value)
    assert "dvc repro" not in str(caught.value)


@pytest.mark.parametrize("file", ["a.safetensors", "a.bin"])
def test_an_export_can_be_read_by_whom_its_neighbours_can(tmp_path: Path, file: str) -> None:
    save_model(make_own(), tmp_path / "model")
    for path in export_checkpoint(tmp_path / "model", tmp_path / "out" / file, "huggingface"):
        (tmp_path / "plain").write_text("")
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_export_is_read_with_no_allowance(tmp_path: Path) -> None:
    save_model(make_own(), tmp_path / "model")
    export_checkpoint(tmp_path / "model", tmp_path / "a.pt", "fairseq")
    held = torch.load(tmp_path / "a.pt", weights_only=True)
    assert held["cfg"]["model"]["encoder_embed_dim"] == 128


def test_the_report_stays_with_the_model(own: Sample, tmp_path: Path) -> None:
    torch.save(own.checkpoint(), tmp_path / "a.pt")
    report = import_checkpoint(tmp_path / "a.pt", tmp_path / "out")
    assert report == json.loads((tmp_path / "out" / REPORT).read_text())
    assert (report["file"], report["kind"], report["weights"]) == ("a.pt", "fairseq", "model")
    assert report["bytes"] == (tmp_path / "a.pt").stat().st_size
    assert len(report["sha256"]) == 64
    assert (
        set(report["tied_copies"].values()) == set(report["derived_tables"].values()) == {"equal"}
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "out"], "nothing is left"


def test_a_mismatch_leaves_no_folder_until_it_is_accepted(own: Sample, tmp_path: Path) -> None:
    name, path = "decoder.layers.0.fc1.bias", tmp_path / "a.safetensors"
    held = {k: own.tensors[k].clone() for k in own.tensors if k != name}
    save_file(held, path)
    with pytest.raises(UserError, match="does not match"):
        import_checkpoint(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    report = import_checkpoint(path, tmp_path / "out", accept=[name])
    assert report["missing"] == report["drawn"] == [name]
    import_checkpoint(path, tmp_path / "same", accept=[name])
    files = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("out", "same")]
    assert files[0] == files[1], "what is drawn follows a seed"


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_planted_call_never_runs(
    own: Sample, tmp_path: Path, is_zip: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    mark, path = tmp_path / "ran", tmp_path / "a.pt"
    planted = {"best": [{"deep": Payload(os.system, f"touch {mark}")}]}
    torch.save(own.checkpoint(extra_state=planted), path, _use_new_zipfile_serialization=is_zip)
    assert run_command(build_parser(), ["import", str(path), "--to", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"it wants to call {os.name}.system" in said
    assert "Traceback" not in said and "weights_only" not in said
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("is_zip", [True, False])
def test_half_a_file_is_refused(own: Sample, tmp_path: Path, is_zip: bool) -> None:
    path = tmp_path / "a.pt"
    torch.save(own.checkpoint(), path, _use_new_zipfile_serialization=is_zip)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="not a whole checkpoint"):
        import_checkpoint(path, tmp_path / "out")


def test_a_tensor_that_claims_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": torch.zeros(4)}, path, _use_new_zipfile_serialization=False)
    # The file's claim of four numbers, made one of two thousand million.
    old, new = b"X\x03\x00\x00\x00cpuq", b"J" + (2 * 10**9).to_bytes(4, "little")
    held = path.read_bytes()
    place = held.index(b"K\x04", held.index(old))
    path.write_bytes(held[:place] + new + held[place + 2 :])
    with pytest.raises(UserError, match="more memory than a file of its size may take"):
        import_checkpoint(path, tmp_path / "out")


def test_a_file_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"\x80\x02N" + b"q\0" * (2 * 10**7))
    limits = Limits(memory_bytes=2**30, cpu_s=1, disk_bytes=2**20)
    with pytest.raises(UserError, match="stopped at its limit"):
        import_checkpoint(path, tmp_path / "out", limits=limits)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no checkpoint"),
        (b"<!DOCTYPE html><p>404", "is no checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1", "is no checkpoint"),
        (b"\x10\0\0\0\0\0\0\0{12345678901234}", "no whole safetensors"),
        (b"\xff\0\0\0\0\0\0\0{", "is no checkpoint"),
    ],
)
def test_other_files_are_told_from_their_first_bytes(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(UserError, match=words):
        import_checkpoint(tmp_path / "a.pt", tmp_path / "out")


def test_safetensors_are_told_from_pickles_whatever_the_length_of_their_header(
    own: Sample, tmp_path: Path
) -> None:
    """A length whose lowest byte is 0x80 begins as a pickle does: one file in 32."""
    tensors = {name: value.clone() for name, value in own.tensors.items()}
    path = tmp_path / "a.safetensors"
    for pad in range(0, 256, 8):
        save_file(tensors, path, metadata={"pad": "x" * pad})
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    import_checkpoint(path, tmp_path / "out")
    assert own.distance(load_model(tmp_path / "out")) < EXACT


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\u00fc"])
def test_a_name_that_a_terminal_would_obey_is_refused(
    own: Sample, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_file({**{k: v.clone() for k, v in own.tensors.items()}, name: torch.ones(1)}, path)
    with pytest.raises(UserError, match="is no name of a tensor") as caught:
        import_checkpoint(path, tmp_path / "out")
    assert str(path) in caught.value.what and name not in str(caught.value)


def test_a_folder_a_pipe_or_nothing_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent"):
        with pytest.raises(UserError, match="is missing, or no file"):
            import_checkpoint(path, tmp_path / "out")


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    save_model(make_own(), tmp_path / "model")
    with pytest.raises(UserError, match="is there already"):
        import_checkpoint(tmp_path / "a.pt", tmp_path / "model")
    with pytest.raises(UserError, match=r"config\.json is there already"):
        export_checkpoint(tmp_path / "model", tmp_path / "model" / "a.bin", "huggingface")


@pytest.mark.parametrize("text", ["{", "[]", '{"vocabulary_size": 3}'])
def test_another_config_beside_a_file_of_the_port_is_refused(tmp_path: Path, text: str) -> None:
    save_model(make_own(), tmp_path / "model")
    export_checkpoint(tmp_path / "model", tmp_path / "port" / "a.safetensors", "huggingface")
    (tmp_path / "port" / CONFIG).write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        import_checkpoint(tmp_path / "port" / "a.safetensors", tmp_path / "out")


def test_a_model_of_our_own_is_imported_with_the_config_beside_it(tmp_path: Path) -> None:
    change = {"attn_scale_factor": 3.0, "disable_entangle": False, "original_image_size": 96}
    model = make_own(**change)
    save_model(model, tmp_path / "model")
    report = import_checkpoint(tmp_path / "model" / "model.safetensors", tmp_path / "out")
    assert load_model(tmp_path / "out").config == model.config
    assert report["assumed"] == {}
    (tmp_path / "model" / CONFIG).write_text('{"some": "other program\'s"}')
    report = import_checkpoint(tmp_path / "model" / "model.safetensors", tmp_path / "again")
    assert report["assumed"]["attn_scale_factor"] == 2.0


def test_a_torchscript_program_is_refused_in_our_own_words(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    with pytest.raises(UserError, match="a TorchScript program") as caught:
        import_checkpoint(path, tmp_path / "out")
    assert str(path) in caught.value.what
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": torch.ones(2)}, "it holds neither a model nor an image tokenizer"),
        ({"encoder.embed_tokens.weight": torch.ones(300, 130)}, "the shapes of the tensors make"),
        ({"encoder.embed_tokens.weight": torch.ones(3)}, "the size of the model cannot be told"),
        ({"decoder.layers.0.cross_attn.q": torch.ones(1)}, "it mixes the names"),
    ],
)
def test_a_file_that_makes_no_model_is_named(
    own: Sample, tmp_path: Path, change: dict[str, torch.Tensor], words: str
) -> None:
    held = change if "a" in change else {**own.tensors, **change}
    save_file({name: value.clone() for name, value in held.items()}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=words) as caught:
        import_checkpoint(tmp_path / "a.safetensors", tmp_path / "out")
    assert caught.value.what.startswith(f"{tmp_path / 'a.safetensors'} cannot be imported: ")


def lightning(weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    loss = {"loss.discriminator.main.0.weight": torch.ones(3), "loss.logvar": torch.ones(1)}
    return {"epoch": 3, "global_step": 9, "state_dict": {**weights, **loss}, "callbacks": {}}


def test_an_image_tokenizer_of_taming_is_imported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Vqgan(SMALL_VQGAN).eval()
    torch.save(lightning(model.state_dict()), tmp_path / "last.ckpt")
    report = import_checkpoint(tmp_path / "last.ckpt", tmp_path / "out")
    assert (report["kind"], report["training_only"]) == ("taming", 2)
    images = torch.randn(1, 3, 16, 16)
    again = load_tokenizer(tmp_path / "out")
    assert torch.equal(again.code_logits(images), model.code_logits(images))


@torch.no_grad()
def test_the_reference_image_tokenizer_gives_its_numbers(
    shared_parity: Path, tmp_path: Path
) -> None:
    weights = load_file(shared_parity / "vqgan" / "weights.safetensors")
    torch.save(lightning(weights), tmp_path / "last.ckpt")
    import_checkpoint(tmp_path / "last.ckpt", tmp_path / "out")
    model = load_tokenizer(tmp_path / "out")
    with np.load(shared_parity / "vqgan" / "case.npz") as arrays:
        case = {name: torch.from_numpy(arrays[name]) for name in arrays}
    assert torch.equal(encode_images(model, case["image"]), case["codes"])
    restored = model.decode_codes(case["codes"])
    torch.testing.assert_close(restored, case["recon"].clamp(-1, 1), atol=2e-5, rtol=1e-5)


def test_the_command_prints_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(make_own(), tmp_path / "model")
    path, out = tmp_path / "port" / "a.safetensors", tmp_path / "out"
    words = ["export", str(tmp_path / "model"), "--to", str(path), "--names", "huggingface"]
    assert run_command(build_parser(), words) == 0
    assert run_command(build_parser(), ["import", str(path), "--to", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"{path}\n{path.parent / CONFIG}\n" in shown
    for line in ("names           0 missing, 0 unexpected", "tied copies     2 equal"):
        assert line in shown
    assert f"report          {out / REPORT}" in shown


def test_two_imports_into_the_same_folder_leave_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(make_own(), tmp_path / "model")
    file, folder, write = tmp_path / "a.pt", tmp_path / "again", importing.write_match
    export_checkpoint(tmp_path / "model", file, "fairseq")
    begun = list[Path]()

    def import_beside(match: Match, made: Path) -> None:
        begun.append(made)
        if len(begun) == 1:
            import_checkpoint(file, folder)
        write(match, made)

    monkeypatch.setattr(importing, "write_match", import_beside)
    with pytest.raises(UserError, match="is there already"):
        import_checkpoint(file, folder)
    assert load_model(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "again", "model"]


def test_two_exports_to_the_same_file_both_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(make_own(), tmp_path / "model")
    file, write = tmp_path / "a.pt", exporting.write_torch
    begun = list[Path]()

    def export_beside(values: dict[str, Any], path: Path) -> None:
        write(values, path)
        begun.append(path)
        if len(begun) == 1:
            export_checkpoint(tmp_path / "model", file, "fairseq")

    monkeypatch.setattr(exporting, "write_torch", export_beside)
    export_checkpoint(tmp_path / "model", file, "fairseq")
    assert len(begun) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "model"]
