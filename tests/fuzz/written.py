"""Sound files that no sample source makes: models, manifests, questions, ratings, answers."""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from components.artifacts.manifest import Content, hash_contents
from components.checkpoints.exporting import fairseq_checkpoint, write_flat
from components.checkpoints.names import huggingface_tensors
from components.checkpoints.settings import huggingface_settings
from components.lineage import hash_bytes, write_manifest
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import CONFIG, WEIGHTS, save_model
from components.profiles.overlay import read_profile, render_params
from tests.components.pubmed.test_bioc import abstract, whole
from tests.components.serving.small import make_folder
from tests.fuzz.seeds import ROOT, Seed, made_by, seed_of

TINY: dict[str, Any] = {
    "d_model": 8, "ffn_dim": 16, "encoder_layers": 1, "decoder_layers": 1, "num_heads": 2,
    "trunk_blocks": (1, 1, 1), "trunk_width": 4, "image_bucket_size": 4, "max_positions": 16,
    "code_image_size": 16,
}  # fmt: skip
SHA256 = "0" * 64
PROFILES = ("demo", "base", "large")


def dump(value: object) -> bytes:
    """As JSON."""
    return json.dumps(value, indent=1, sort_keys=True).encode()


@cache
def tiny_model() -> UnifiedModel:
    """A model of few numbers, in which each part is there."""
    torch.manual_seed(0)
    return UnifiedModel(model_config("debug", 100, **TINY))


def own_weights() -> list[Seed]:
    """A model as this project saves it."""
    return [
        made_by(lambda folder: save_model(tiny_model(), folder), "own", (".safetensors", CONFIG))
    ]


def port_folders() -> list[Seed]:
    """Weights and config as the Hugging Face port has them."""
    config = tiny_model().config

    def write(folder: Path) -> None:
        tensors = huggingface_tensors(tiny_model().state_dict(), config)
        write_flat(tensors, ".safetensors", folder / WEIGHTS)
        (folder / CONFIG).write_bytes(dump(huggingface_settings(config)))

    return [made_by(write, "port", (".safetensors", CONFIG))]


def pickled_checkpoints() -> list[Seed]:
    """As fairseq, the port and Lightning pickle weights."""
    small = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.ones(2, dtype=torch.int64))
    held: dict[str, Any] = {
        "fairseq": fairseq_checkpoint(tiny_model().state_dict(), tiny_model().config),
        "plain": small, "lightning": {"state_dict": small, "epoch": 3, "hyper": [1, 2.5, None,
                                                                                 "x"]},
        "tied": {"a": small["a"], "b": small["a"].t(), "c": small["a"][1:]},
    }  # fmt: skip

    def write(value: object, old: bool, folder: Path) -> None:
        torch.save(value, folder / "model.pt", _use_new_zipfile_serialization=not old)

    return [
        made_by(lambda folder, v=value, o=old: write(v, o, folder), f"{name} {old}", (".pt",))
        for name, value in held.items()
        for old in (False, True)
    ]


def tensor_files() -> list[Seed]:
    """Safetensors of several kinds, with and without metadata."""
    held = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16),
            "c": torch.zeros((), dtype=torch.int64), "d": torch.zeros((0, 3))}  # fmt: skip
    return [
        seed_of("plain", model_safetensors=save(held)),
        seed_of("told", model_safetensors=save(held, {"format": "pt"})),
    ]


@cache
def served_folder() -> Seed:
    """A folder that answers, with what is told of it."""

    def write(folder: Path) -> None:
        make_folder(folder)
        told = {"stage": "finetune", "identity": {"size": "debug", "dataset": "vqa_rad"},
                "inputs": {"data/examples/vqa_rad": SHA256}}  # fmt: skip
        (folder / "product.json").write_bytes(dump(told))
        own = {"name": "vqa", "version": 1, "files": {}}  # with hashes, every change were refused
        (folder / "artifact.json").write_bytes(dump(own))
        (folder / "calibration.json").write_bytes(dump(CALIBRATION))

    return made_by(write, "served", (".json",))


CALIBRATION = {
    "method": "temperature", "temperature": 1.5, "split": "validation", "num_items": 40,
    "accuracy": 0.5, "error_before": 0.25, "error_after": 0.125,
}  # fmt: skip


def served_models() -> list[Seed]:
    """The files of a folder that answers, less its weights, which checkpoint.own changes."""
    files = {**served_folder().files, WEIGHTS: b""}
    return [Seed("served", files, served_folder().changed)]


def calibrations() -> list[Seed]:
    """A calibration alone."""
    return [seed_of("calibration", calibration_json=dump(CALIBRATION))]


def manifests() -> list[Seed]:
    """A product's manifest."""

    def write(folder: Path) -> None:
        (folder / "rows.txt").write_text("x\n")
        write_manifest(folder, stage="prepare", identity={"dataset": "x"}, settings={"a": [1]},
                       inputs=[], counts={"in": 1, "out": 1})  # fmt: skip

    return [made_by(write, "product", ("manifest.json",))]


def artifacts() -> list[Seed]:
    """The manifest of a published version."""
    files = {WEIGHTS: Content(bytes=3, sha256=SHA256),
             "vocabulary/bpe.json": Content(bytes=5, sha256=SHA256)}  # fmt: skip
    source = {"name": "vqa_rad", "title": "VQA-RAD", "version": "1", "licence": "CC0",
              "access": "open",
              "terms": [], "made": False}  # fmt: skip
    product = {"path": "data/models/x", "stage": "finetune", "identity": {"size": "base"},
               "sha256": SHA256, "code_sha256": SHA256, "package": "0.1.0",
               "settings": {"steps": 1},
               "formed_by": {"data/articles": SHA256}}  # fmt: skip
    around = {"git_commit": "", "git_changed": False, "params": {"seed": 7}, "dvc": {},
              "dvc_stage": "",
              "environment": {}, "seeds": [7], "hardware": {"gpus": []}}  # fmt: skip
    manifest = {
        "format": 1, "name": "vqa", "version": 1, "kind": "model", "title": "A model",
        "files": {path: content.model_dump() for path, content in files.items()},
        "content_sha256": hash_contents(files), "licence": "CC0", "access": ["open"],
        "sources": [source], "retractions": {"retracted": 0}, "product": product,
        "circumstances": around,
    }  # fmt: skip
    return [seed_of("artifact", artifact_json=dump(manifest))]


def params_files() -> list[Seed]:
    """The settings of each profile, and the file as it stands in the project."""
    rendered = {name: render_params(read_profile(name)) for name in PROFILES}
    own = seed_of("own", params_yaml=(ROOT / "params.yaml").read_bytes())
    return [own, *(seed_of(name, params_yaml=text.encode()) for name, text in rendered.items())]


def lock_files() -> list[Seed]:
    """A dvc.lock of two stages."""
    text = b"""schema: '2.0'
stages:
  prepare@vqa_rad:
    cmd: python -m components.stages.prepare --dataset vqa_rad
    deps:
    - path: data/raw/vqa_rad
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
      size: 12
      nfiles: 2
    params:
      params.yaml:
        seed: 7
    outs:
    - path: data/examples/vqa_rad
      md5: fedcba9876543210fedcba9876543210.dir
  report:
    cmd: python -m components.stages.report
    outs:
    - path: data/report
      md5: 00000000000000000000000000000000.dir
"""
    return [Seed("lock", {"dvc.lock": text}, ("dvc.lock",))]


def bioc_files() -> list[Seed]:
    """Full text of BioC-PMC, PubTator's abstracts, and lists and lines of them."""
    lines = b"\n".join(json.dumps(abstract(id=str(n))).encode() for n in range(3))
    collection = {"source": "PMC", "documents": [whole()]}
    values = {"collection": dump([collection]), "one": dump(abstract()), "lines": lines,
              "answer": dump({"PubTator3": [abstract(), abstract(id="2")]})}  # fmt: skip
    return [seed_of(name, one_json=content) for name, content in values.items()]


def question_files() -> list[Seed]:
    """Rows of `biomedgpt predict --jsonl`."""
    rows = [
        {"id": "1", "image": "a.png", "question": "is the lung clear?"},
        {"text": "A report.", "options": ["yes", "no"], "task": "answer", "frame": "middle"},
    ]
    return [seed_of("rows", rows_jsonl=b"\n".join(json.dumps(row).encode() for row in rows))]


def forms() -> list[Seed]:
    """A form of the web page with every field."""
    fields = {"question": "is it?", "text": "A report.", "option": "yes", "explain": "true"}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
             for name, value in fields.items()]  # fmt: skip
    image = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
    image += "Content-Type: image/png\r\n\r\nPNG...\r\n"
    return [seed_of("form", body_form="".join([*parts, image, "--x--\r\n"]).encode())]


def json_bodies() -> list[Seed]:
    """A body of JSON with every field."""
    body = {"image": base64.b64encode(b"PNG...").decode(), "question": "is it?",
            "text": "A report.",
            "options": ["yes", "no"], "explain": True}  # fmt: skip
    return [seed_of("json", body_json=dump(body))]


def studies() -> list[Seed]:
    """A study of two raters, and what one handed in."""
    rows = [
        {"item": item, "answer": answer, "factuality": 4, "relevance": None, "harm": 2}
        for item in (1, 2)
        for answer in "AB"
    ]
    given = dump({"key_sha256": SHA256, "rater": "R-1", "ratings": rows})
    study = {"key_sha256": SHA256, "raters": 2, "answers": [2, 2],
             "scales": {"factuality": 5, "relevance": 5, "harm": 5}}  # fmt: skip
    joined = {"raters": {"R-1": hash_bytes(given), "R-2": hash_bytes(given)}}
    files = {"study.json": dump(study), "joined.json": dump(joined), "ratings.json": given,
             "ratings/R-1.json": given, "ratings/R-2.json": given}  # fmt: skip
    return [Seed("study", files, ("study.json", "joined.json", "ratings.json"))]


def answer_files() -> list[Seed]:
    """Rows of `biomedgpt score`, plain and as the evaluation harness logs them."""
    rows = [
        {"id": "1", "prediction": "yes", "options": {"yes": -0.1, "no": -2.5}},
        {"doc": {"id": "2", "source": "is it?"}, "filtered_resps": ["no"]},
        {
            "doc": {"id": "3", "choices": ["yes", "no"]},
            "filtered_resps": [[-0.5, True], [-1, False]],
        },
    ]
    return [seed_of("answers", answers_jsonl=b"\n".join(json.dumps(row).encode() for row in rows))]
