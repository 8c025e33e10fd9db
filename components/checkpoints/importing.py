"""Import: a public checkpoint to our own format, with a report of every name."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from components.checkpoints.faults import judge
from components.checkpoints.matching import (
    Match,
    detect_kind,
    match_model,
    match_tokenizer,
    rename,
)
from components.checkpoints.report import Report, make_report
from components.checkpoints.settings import DEFAULTS, fairseq_settings
from components.checkpoints.source import Limits, Source, read_source
from components.errors import FORMAT, UserError
from components.model.config import ModelConfig
from components.model.model import UnifiedModel
from components.model.weights import CONFIG, blank_model, save_model
from components.tokenization.image import save_tokenizer
from components.tokenization.vqgan import Vqgan

REPORT = "import.json"


def import_checkpoint(
    path: Path,
    folder: Path,
    *,
    averaged: bool = False,
    accept: Collection[str] = (),
    limits: Limits | None = None,
) -> Report:
    """Write the model or image tokenizer of a file into a new folder; return the key report.

    The folder appears when it is whole. ``accept`` names the faults that may be: tensors, or
    groups of ``TOLERANCES``. UserError for a file that cannot be read, does not match, or wants
    to run code.
    """
    check_absent(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        read_source(path, folder.parent, averaged=averaged, limits=limits) as source,
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".importing-") as place,
    ):
        with naming(path):
            kind = detect_kind(source.tensors)
            settings = settings_of(path, source, kind)
            match = match_source(source, kind, settings, accept)
        judge(match.faults, accept, str(path))
        report = make_report(path, source, kind, match)
        made = Path(place) / "made"
        write_match(match, made)
        (made / REPORT).write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
        try:
            made.rename(folder)
        except OSError:
            check_absent(folder)  # another import may have brought something there meanwhile
            raise
    return report


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before an error of what it holds."""
    try:
        yield
    except UserError as error:
        raise UserError(
            f"{path} cannot be imported: {error.what}",
            why=error.why,
            next_command=error.next_command,
        ) from None


def check_absent(path: Path) -> None:
    """UserError where there is something already."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is there already", next_command="name another one after --to")


def settings_of(path: Path, source: Source, kind: str) -> Mapping[str, Any]:
    """The settings in the file, or in the config.json beside one of the port or of our own.

    The port adds no positions to the decoder's input, whatever its config says of untangling.
    """
    beside = path.parent / CONFIG
    if kind == "fairseq" and not source.settings and beside.is_file():
        return own_settings(beside)
    if kind != "huggingface":
        return source.settings
    if not beside.is_file():
        return {"disable_entangle": True}
    try:
        settings = json.loads(beside.read_text())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{beside} is not JSON", why=str(error)) from None
    if not isinstance(settings, dict) or "d_model" not in settings:
        raise UserError(
            f"{beside} lies beside the checkpoint, and is not its config",
            next_command="move the checkpoint to a folder of its own",
        )
    return {**settings, "disable_entangle": True}


def own_settings(beside: Path) -> Mapping[str, Any]:
    """What a config.json of ours says, in fairseq's words; nothing where it is none of ours."""
    text = beside.read_text()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{beside} is not JSON", why=str(error)) from None
    is_ours = isinstance(found, dict) and found.keys() - {FORMAT} == DEFAULTS.keys()
    return fairseq_settings(ModelConfig.from_json(text)) if is_ours else {}


def match_source(
    source: Source, kind: str, settings: Mapping[str, Any], accept: Collection[str]
) -> Match:
    """Hold a source against our model or image tokenizer."""
    if kind == "taming":
        return match_tokenizer(source.tensors)
    return match_model(rename(source.tensors, kind), settings, accept)


def write_match(match: Match, folder: Path) -> None:
    """Write a match as our own checkpoint, in float32. What it does not give is drawn, seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if isinstance(match.config, ModelConfig):
            model = (UnifiedModel if match.fresh else blank_model)(match.config)
            model.load_state_dict(match.tensors, strict=False)
            save_model(model, folder)
        else:
            tokenizer = Vqgan(match.config)
            tokenizer.load_state_dict(match.tensors, strict=False)
            save_tokenizer(tokenizer, folder)
