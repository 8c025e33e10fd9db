"""Names: to the port and back, and every listed name of every released size."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.checkpoints.matching import detect_kind, match_model
from components.checkpoints.names import (
    VERSIONS,
    fairseq_tensors,
    from_huggingface,
    huggingface_tensors,
    to_huggingface,
)
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import blank_model
from tests.components.checkpoints.conftest import Sample, make_own
from tests.components.model.parity import MINI
from tests.components.model.test_sizes import PUBLIC


@cache
def our_names() -> list[str]:
    return sorted({**make_own(scale_resids=True).state_dict(), **dict.fromkeys(VERSIONS)})


@given(st.sampled_from(our_names()), st.integers(0, 10**6))
def test_a_name_of_any_layer_comes_back_from_the_port(name: str, layer: int) -> None:
    name = name.replace(".layers.0.", f".layers.{layer}.")
    assert from_huggingface(to_huggingface(name)) == name


def test_no_two_names_are_one_in_the_port() -> None:
    assert len({to_huggingface(name) for name in our_names()}) == len(our_names())


def test_the_kind_is_told_from_the_names() -> None:
    assert detect_kind(our_names()) == "fairseq"
    assert detect_kind([to_huggingface(name) for name in our_names()]) == "huggingface"


def listed(path: Path) -> dict[str, tuple[list[int], str]]:
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    return {name: (json.loads(shape), next(iter(more), "")) for name, shape, *more in lines}


def measured(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[list[int], str]]:
    return {name: (list(value.shape), str(value.dtype)) for name, value in tensors.items()}


@pytest.mark.parametrize("size", PUBLIC)
def test_every_listed_tensor_is_read_and_written(shared_parity: Path, size: str) -> None:
    wanted = listed(shared_parity / f"state_dict_{PUBLIC[size]}.txt")
    kinds = {"torch.float32": torch.float32, "torch.int64": torch.int64}
    tensors = {
        name: torch.empty(shape, dtype=kinds[kind], device="meta")
        for name, (shape, kind) in wanted.items()
    }
    match = match_model(tensors, {})
    assert match.faults == match.fresh == []
    assert match.config == model_config(size)
    assert measured(fairseq_tensors(match.tensors, match.config)) == wanted


def test_the_port_has_the_listed_names_and_shapes(shared_parity: Path) -> None:
    wanted = listed(shared_parity / "hf_names_mini.txt")
    written = huggingface_tensors(blank_model(MINI).state_dict(), MINI)
    assert {name: list(value.shape) for name, value in written.items()} == {
        name: shape for name, (shape, _) in wanted.items()
    }
    assert {from_huggingface(name) for name in wanted} == {
        name for name in listed(shared_parity / "state_dict_mini.txt") if name not in VERSIONS
    }


def test_copies_and_tables_of_an_export_are_the_reference_ones(reference: Sample) -> None:
    match = match_model(reference.tensors, reference.flags)
    assert set(match.copies.values()) == set(match.tables.values()) == {"equal"}
    assert len(match.copies) == 2 and len(match.tables) == 7


def test_codes_of_256_px_have_the_list_of_their_grid() -> None:
    config = replace(MINI, code_image_size=256)
    with torch.device("meta"):
        weights = UnifiedModel(config).state_dict()
    assert fairseq_tensors(weights, config)["decoder.image_position_idx"].shape == (1794,)
