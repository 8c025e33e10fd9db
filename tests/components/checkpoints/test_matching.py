"""What does not match is found, named, and let pass only where a person says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from components.checkpoints.faults import TOLERANCES, Fault, judge
from components.checkpoints.matching import detect_kind, match_model, match_tokenizer, rename
from components.checkpoints.names import POSITION_IDS, TOKENS, fairseq_tensors
from components.checkpoints.settings import fairseq_settings
from components.errors import UserError
from components.tokenization.vqgan import Vqgan, VqganConfig
from tests.components.checkpoints.conftest import Sample, make_own

Tensors = dict[str, Tensor]
POSITIONS = "decoder.embed_image_positions.weight"
BATCHES = "encoder.embed_images.bn1.num_batches_tracked"


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def changed(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name])}


def added(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: torch.ones(2)}


def test_a_whole_model_has_no_fault(own: Sample) -> None:
    match = match_model(own.tensors, own.flags)
    assert match.faults == match.fresh == match.left_out == []
    assert match.config == own.config
    assert match.assumed == {}


@pytest.mark.parametrize("px", [32, 48, 64])
def test_the_list_of_code_positions_may_be_as_short_as_the_port_saves_it(px: int) -> None:
    """Its code makes 768 fillers where fairseq's makes 769; the grid is the same."""
    model = make_own(code_image_size=px)
    tensors = fairseq_tensors(model.state_dict(), model.config)
    tensors[POSITION_IDS] = tensors[POSITION_IDS][:-1]
    match = match_model(tensors, {**fairseq_settings(model.config), "orig_patch_image_size": 256})
    assert match.faults == []
    assert match.config == model.config
    tensors[POSITION_IDS] = tensors[POSITION_IDS].flip(0)
    (fault,) = match_model(tensors, fairseq_settings(model.config)).faults
    assert (fault.kind, fault.name) == ("table", POSITION_IDS)


@pytest.mark.parametrize(
    ("break_it", "kind", "name", "accept"),
    [
        (without("decoder.layers.1.fc2.bias"), "missing", "decoder.layers.1.fc2.bias", ""),
        (added("decoder.adapter.weight"), "unexpected", "decoder.adapter.weight", ""),
        (added("encoder.layers.7.fc1.weight"), "missing", "encoder.layers.2.attn_ln.bias", ""),
        (
            added("classification_heads.a.weight"),
            "unexpected",
            "classification_heads.a.weight",
            "classification_heads",
        ),
        (without(BATCHES), "missing", BATCHES, "batch_counts"),
        (
            changed("decoder.layer_norm.bias", lambda x: x[:-1]),
            "shape",
            "decoder.layer_norm.bias",
            "",
        ),
        (
            changed("decoder.output_projection.weight", lambda x: x + 1),
            "copy",
            "decoder.output_projection.weight",
            "tied_copies",
        ),
        (
            changed("encoder.token_rp_bucket", lambda x: x.flip(0)),
            "table",
            "encoder.token_rp_bucket",
            "derived_tables",
        ),
        (
            changed("encoder.token_rp_bucket", lambda x: x[:1, :1].expand(10**6, 1)),
            "table",
            "encoder.token_rp_bucket",
            "derived_tables",
        ),
        (
            changed("decoder.image_rp_bucket", lambda x: x[:-1]),
            "table",
            "decoder.image_rp_bucket",
            "derived_tables",
        ),
        (changed(POSITION_IDS, lambda x: x[:-2]), "table", POSITION_IDS, "derived_tables"),
        (changed(POSITIONS, lambda x: x[:9]), "shape", POSITIONS, "short_image_positions"),
        (
            changed("decoder.layer_norm.bias", lambda x: x / 0),
            "numbers",
            "decoder.layer_norm.bias",
            "",
        ),
        (changed("encoder.pos_ln.bias", torch.Tensor.int), "kind", "encoder.pos_ln.bias", ""),
    ],
)
def test_a_fault_is_found_and_accepted_by_its_name(
    own: Sample,
    break_it: Callable[[Tensors], Tensors],
    kind: str,
    name: str,
    accept: str,
) -> None:
    faults = match_model(break_it(own.tensors), own.flags).faults
    (fault,) = [fault for fault in faults if fault.name == name]
    assert fault.kind == kind
    assert fault.tolerance == accept
    with pytest.raises(UserError, match=r"a\.pt does not match") as caught:
        judge([fault], ["other"], "a.pt")
    assert name in caught.value.why
    assert f"--accept {accept or name}" in caught.value.next_command
    judge([fault], [accept or name], "a.pt")
    judge([fault], [name], "a.pt")


def test_a_name_that_accepts_nothing_is_told() -> None:
    fault = Fault("missing", "decoder.x", "missing")
    with pytest.raises(UserError, match=r"decoder\.y accepts nothing"):
        judge([fault], ["decoder.x", "decoder.y"], "a.pt")
    judge([fault], ["decoder.x", "tied_copies"], "a.pt")  # a group, for files that may have it


def test_every_group_that_may_be_accepted_is_explained() -> None:
    assert all(words and name.isidentifier() for name, words in TOLERANCES.items())


def test_short_image_positions_are_drawn_to_their_length(own: Sample) -> None:
    cut = changed(POSITIONS, lambda x: x[:9])(own.tensors)
    match = match_model(cut, own.flags, ["short_image_positions"])
    assert match.fresh == []
    assert match.tensors[POSITIONS].shape == own.tensors[POSITIONS].shape
    assert torch.equal(match.tensors[POSITIONS][:9], own.tensors[POSITIONS][:9])
    drawn = match.tensors[POSITIONS][9:]
    assert float(drawn.std()) == pytest.approx(own.config.d_model**-0.5, rel=0.1)


def test_a_row_above_the_released_vocabulary_is_cut_where_accepted() -> None:
    weights, size = make_own(vocabulary_size=59_458).state_dict(), {"code_image_size": 32}
    match = match_model(weights, size)
    assert [fault.tolerance for fault in match.faults] == ["long_vocabulary"]
    match = match_model(weights, size, ["long_vocabulary"])
    assert match.config.vocabulary_size == len(match.tensors[TOKENS]) == 59_457


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("code_image_size", 64),
        ("encoder_layers", 3),
        ("decoder_embed_dim", 64),
        ("max_source_positions", 1024),
        ("vocab_size", 301),
        ("resnet_type", "resnet101"),
        ("scale_resids", True),
        ("scale_heads", False),
        ("activation_fn", "relu"),
        ("entangle_position_embedding", True),
        ("sync_bn", True),
        ("attn_scale_factor", -1),
        ("dropout", float("nan")),
        ("disable_entangle", "yes"),
    ],
)
def test_a_setting_that_cannot_be_is_a_fault(own: Sample, setting: str, value: Any) -> None:
    match = match_model(own.tensors, {**own.flags, setting: value})
    assert [fault.name for fault in match.faults] == [f"settings.{setting}"]


@pytest.mark.parametrize(
    "change",
    [
        {"disable_entangle": False},
        {"scale_resids": True},
        {"interpolate_position": True, "attn_scale_factor": 4.0},
        {"dropout": 0.3, "drop_path": 0.2, "trunk_drop_path": 0.1, "attention_dropout": 0.05},
    ],
)
def test_settings_that_no_tensor_shows_are_honoured(change: dict[str, Any]) -> None:
    model = make_own(**change)
    flags = Sample(model.config, {}, lambda _: 0.0).flags
    assert match_model(model.state_dict(), flags).config == model.config


def test_what_is_said_nowhere_is_reported_as_assumed(own: Sample) -> None:
    weights = {name: value for name, value in own.tensors.items() if name != POSITION_IDS}
    match = match_model(weights, {"image_bucket_size": 8})
    assert match.assumed["code_image_size"] == 64
    assert match.assumed["disable_entangle"] is True
    assert match.assumed["attn_scale_factor"] == 2.0


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (without(TOKENS), "embed_tokens.weight is missing"),
        (changed(TOKENS, torch.Tensor.flatten), r"embed_tokens.weight is of shape \[38400\]"),
        (changed(TOKENS, lambda x: x[:, :126]), "126 does not divide into 4 heads"),
        (
            changed("encoder.embed_positions.weight", lambda x: x[:1].expand(10**6, -1)),
            "999998 positions",
        ),
        (changed(POSITION_IDS, lambda x: x.new_zeros(870)), "10 x 10 codes"),
        (
            lambda tensors: tensors | {f"encoder.layers.{i}.a": torch.ones(1) for i in range(90)},
            "at least [0-9,]+ numbers, and the file holds",
        ),
        (
            lambda tensors: (
                tensors | {f"encoder.embed_images.layer3.{i}.a": torch.ones(1) for i in range(400)}
            ),
            "at least [0-9,]+ numbers, and the file holds",
        ),
        (
            lambda tensors: {k: v for k, v in tensors.items() if ".layer2." not in k},
            "no trunk",
        ),
    ],
)
def test_shapes_that_make_no_model_are_refused(
    own: Sample, break_it: Callable[[Tensors], Tensors], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        match_model(break_it(own.tensors), own.flags)


def test_names_of_two_schemes_in_one_file_are_refused(own: Sample) -> None:
    one = "decoder.layers.0.cross_attn.k_proj.weight"
    with pytest.raises(UserError, match="mixes the names"):
        detect_kind([*own.tensors, one])
    both = dict.fromkeys((one, "decoder.layers.0.encoder_attn.k_proj.weight"), torch.ones(1))
    with pytest.raises(UserError, match="mixes the names"):
        rename(both, "huggingface")


@pytest.mark.parametrize("names", [[], ["a"], ["encoder.conv_in.weight", "b"]])
def test_other_tensors_are_neither_model_nor_tokenizer(names: list[str]) -> None:
    with pytest.raises(UserError, match="neither a model nor an image tokenizer"):
        detect_kind(names)


def test_training_parts_of_a_tokenizer_are_left_out() -> None:
    config = VqganConfig(channels=32, latent=4, num_codes=6, multipliers=(1, 2), num_blocks=1)
    weights = Vqgan(config).state_dict()
    more = {"loss.discriminator.main.0.weight": torch.ones(2), "colorize": torch.ones(1)}
    match = match_tokenizer({**weights, **more})
    assert match.config == config
    assert (match.faults, sorted(match.left_out)) == ([], sorted(more))


def test_a_tokenizer_with_blocks_in_name_only_is_refused() -> None:
    config = VqganConfig(channels=32, latent=4, num_codes=6, multipliers=(1, 2), num_blocks=1)
    named = {f"encoder.down.0.block.{i}.a": torch.ones(1) for i in range(100)}
    with pytest.raises(UserError, match=r"numbers, and the file holds"):
        match_tokenizer({**Vqgan(config).state_dict(), **named})


def test_a_tokenizer_that_lacks_a_tensor_is_found() -> None:
    weights = Vqgan(
        VqganConfig(channels=32, latent=4, num_codes=6, multipliers=(1, 2))
    ).state_dict()
    weights.pop("decoder.conv_out.bias")
    assert [fault.name for fault in match_tokenizer(weights).faults] == ["decoder.conv_out.bias"]
