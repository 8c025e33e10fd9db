"""Sizes against the published counts and names, and the model's own invariances."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.model.config import SIZES, ModelConfig, model_config
from components.model.model import UnifiedModel
from components.model.positions import code_ids
from components.model.projection import project_rows
from components.model.weights import WEIGHTS, load_model, save_model

PUBLIC = {"small": "tiny", "medium": "medium", "base": "base", "large": "large", "xlarge": "huge"}
COUNTS = {
    "small": 33_488_336,
    "medium": 92_892_000,
    "base": 182_238_536,
    "large": 472_977_152,
    "xlarge": 929_486_848,
}


def meta_model(size: str) -> UnifiedModel:
    with torch.device("meta"):
        return UnifiedModel(model_config(size))


@pytest.mark.parametrize("size", COUNTS)
def test_parameter_counts_are_the_published_ones(size: str) -> None:
    assert sum(p.numel() for p in meta_model(size).parameters()) == COUNTS[size]


@pytest.mark.parametrize("size", COUNTS)
def test_every_checkpoint_name_and_shape(shared_parity: Path, size: str) -> None:
    ours = {name: list(value.shape) for name, value in meta_model(size).state_dict().items()}
    lines = (shared_parity / f"state_dict_{PUBLIC[size]}.txt").read_text().splitlines()
    theirs = {line.split("\t")[0]: json.loads(line.split("\t")[1]) for line in lines if line}
    derived = {name for name in theirs if name.endswith(("_rp_bucket", ".version", "_idx"))}
    tied = {"decoder.embed_tokens.weight", "decoder.output_projection.weight"}
    assert set(theirs) - set(ours) == derived | tied
    assert all(theirs[name] == shape for name, shape in ours.items())


def tiny(**changes: object) -> UnifiedModel:
    torch.manual_seed(0)
    return UnifiedModel(model_config("debug", 300, code_image_size=32, **changes)).eval()


@torch.no_grad()
def test_padding_and_hidden_images_change_nothing() -> None:
    model, source = tiny(), torch.randint(4, 300, (2, 7))
    prev, images = torch.randint(4, 300, (2, 3)), torch.randn(2, 3, 64, 64)
    alone = model(source, prev)
    padded = model(torch.cat([source, torch.ones(2, 5, dtype=torch.long)], 1), prev)
    hidden = model(source, prev, images, torch.zeros(2, dtype=torch.bool))
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone, hidden, atol=1e-5, rtol=1e-5)
    assert (model(source, prev, images) - alone).abs().max() > 1e-3


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)))
@torch.no_grad()
def test_order_of_the_batch_does_not_matter(order: list[int]) -> None:
    model, source = tiny(), torch.arange(4, 32).view(4, 7)
    prev, images = torch.arange(40, 52).view(4, 3), torch.ones(4, 3, 32, 32).cumsum(0) / 4
    logits = model(source, prev, images)
    shuffled = model(source[order], prev[order], images[order])
    torch.testing.assert_close(logits[order], shuffled, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("codes", [None, [True, True], [True, False]])
@torch.no_grad()
def test_step_by_step_equals_all_at_once(codes: list[bool] | None) -> None:
    model = tiny()
    mask = None if codes is None else torch.tensor(codes)
    encoded = model.encode(torch.randint(4, 300, (2, 6)), torch.randn(2, 3, 64, 64))
    prev = torch.randint(4, 300, (6, 9))
    whole = model.decode(prev, encoded, mask)
    cache = model.start_cache(encoded, 9, mask)
    steps = [model.decode(prev[:, : t + 1], encoded, mask, cache) for t in range(9)]
    torch.testing.assert_close(whole, torch.cat(steps, 1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_rows_of_one_source_equal_repeated_sources() -> None:
    model, source = tiny(), torch.tensor([[5, 6, 7, 1], [8, 9, 10, 11]])
    prev = torch.randint(4, 300, (6, 5))
    shared = model.decode(prev, model.encode(source))
    repeated = model.decode(prev, model.encode(source.repeat_interleave(3, 0)))
    torch.testing.assert_close(shared, repeated, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("change", [{}, {"scale_resids": True}, {"disable_entangle": False}])
def test_saving_and_loading_is_exact(tmp_path: Path, change: dict[str, bool]) -> None:
    model = tiny(**change)
    save_model(model, tmp_path)
    again = load_model(tmp_path).eval()
    source, prev = torch.randint(4, 300, (1, 5)), torch.randint(4, 300, (1, 3))
    assert torch.equal(model(source, prev), again(source, prev))
    assert again.config == model.config


def test_loading_other_shapes_names_the_tensors(tmp_path: Path) -> None:
    save_model(tiny(), tmp_path)
    other = model_config("debug", 301)
    (tmp_path / "config.json").write_text(other.to_json())
    with pytest.raises(UserError, match=WEIGHTS) as caught:
        load_model(tmp_path)
    assert "encoder.embed_tokens.weight has shape (300, 128)" in caught.value.why
    assert "config.json" in caught.value.next_command


def test_a_config_that_was_broken_off_does_not_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(path: Path, text: str) -> None:
        path.write_bytes(text[:9].encode())
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", break_off)
    with pytest.raises(OSError, match="no space"):
        save_model(UnifiedModel(model_config("debug", 300)), tmp_path)
    assert (tmp_path / WEIGHTS).is_file() and not (tmp_path / "config.json").exists()


def test_unknown_keys_and_sizes_are_named() -> None:
    text = model_config("debug").to_json().replace('"dropout"', '"dropuot"')
    with pytest.raises(UserError, match="dropuot"):
        ModelConfig.from_json(text)
    with pytest.raises(UserError, match="huge") as caught:
        model_config("huge")
    assert all(size in caught.value.why for size in SIZES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trunk_blocks": None}, "trunk_blocks is None"),
        ({"trunk_blocks": [1, 1]}, r"trunk_blocks is \[1, 1\]"),
        ({"d_model": "128"}, "d_model is '128'"),
        ({"scale_resids": 1}, "scale_resids is 1"),
        ({"dropout": True}, "dropout is True"),
        ({"d_model": -128}, "d_model is -128"),
        ({"num_heads": 0}, "num_heads is 0"),
        ({"num_heads": 3}, "128 wide, with 3 heads"),
        ({"dropout": float("nan")}, "dropout is nan"),
        ({"trunk_blocks": [1, 0, 1]}, r"trunk_blocks\[1\] is 0"),
        ({"trunk_blocks": [1, 2**31, 1]}, "more than 1,000 layers or blocks"),
        ({"max_positions": 10**6}, "more than 4,096 positions"),
        ({"dropout": 8.0}, "dropout is 8.0: a share is at most 1"),
        ({"attn_scale_factor": 0.0}, "attn_scale_factor is 0"),
        ({"vocabulary_size": 1}, "a vocabulary of 1, without the special tokens"),
        ({"max_positions": 129, "token_bucket_size": 256}, "129 positions in 256 buckets"),
        ({"token_bucket_size": 1}, "positions in 1 buckets"),
        ({"code_image_size": 10**6}, "more than 4,096 positions"),
    ],
)
def test_a_config_s_value_of_another_kind_is_named(change: dict[str, object], words: str) -> None:
    values = {**json.loads(model_config("debug").to_json()), **change}
    with pytest.raises(UserError, match=words):
        ModelConfig.from_json(json.dumps(values))


@pytest.mark.parametrize("key", ["trunk_blocks", "num_heads", "attn_scale_factor"])
def test_a_config_without_a_key_is_no_config_with_its_default(key: str) -> None:
    values = json.loads(model_config("debug").to_json())
    del values[key]
    with pytest.raises(UserError, match=key):
        ModelConfig.from_json(json.dumps(values))


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_config_is_named_with_its_path(tmp_path: Path, text: bytes) -> None:
    save_model(tiny(), tmp_path)
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(UserError, match=rf"{tmp_path}: config\.json (is no JSON|holds no keys)"):
        load_model(tmp_path)


def test_too_long_a_source_is_an_error_that_names_the_limit() -> None:
    with pytest.raises(UserError, match="1025 tokens"):
        tiny().encode(torch.full((1, 1025), 5))


def test_released_sizes_start_as_the_reference_does() -> None:
    own = {size for size, row in SIZES.items() if "init_std" in row}
    assert own == {"debug", "micro"} and model_config("base").init_std == 0.02
    assert all(
        SIZES[size]["init_std"] == pytest.approx(SIZES[size]["d_model"] ** -0.5, 0.01)
        for size in own
    )


@pytest.mark.parametrize("std", [0.02, 0.088])
def test_initialisation_follows_the_reference(std: float) -> None:
    model = tiny(init_std=std)
    embedding = model.encoder.embed_tokens.weight
    assert float(embedding.detach().std()) == pytest.approx(std, rel=0.1)
    assert float(embedding[1].detach().norm()) > 5 * std, "the pad row is drawn too"
    table = model.encoder.token_rel_pos_table_list[0].weight
    assert float(table.detach().std()) == pytest.approx(std, rel=0.2)
    assert float(model.encoder.layers[0].self_attn.c_attn.detach().sum()) == 4


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3), (16,), (17,)])
@torch.no_grad()
def test_a_projection_of_few_rows_is_the_same_product(shape: tuple[int, ...]) -> None:
    matrix, features = torch.randn(300, 24), torch.randn(*shape, 24)
    found = project_rows(features, matrix)
    torch.testing.assert_close(found, features @ matrix.T, atol=1e-5, rtol=1e-5)


def test_looked_up_tokens_and_the_projection_share_one_gradient() -> None:
    model, source = tiny(), torch.tensor([[5, 6, 5]])
    matrix = model.token_matrix()
    features = model.decode(torch.tensor([[0, 7]]), model.encode(source))
    (features @ matrix.T).square().mean().backward()
    shared = model.encoder.embed_tokens.weight.grad
    other = tiny()
    other.encoder.embed_ids = other.encoder.embed_tokens.forward  # type: ignore[method-assign]
    other(source, torch.tensor([[0, 7]])).square().mean().backward()
    wanted = other.encoder.embed_tokens.weight.grad
    assert shared is not None and wanted is not None and not shared.is_sparse
    torch.testing.assert_close(shared, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("pixels", "cells"), [((480, 480), 900), ((250, 250), 256), ((65, 130), 45), ((672, 32), 84)]
)
@torch.no_grad()
def test_images_of_any_size_up_to_the_grid(pixels: tuple[int, int], cells: int) -> None:
    model, source = tiny(), torch.randint(4, 300, (1, 5))
    encoded = model.encode(source, torch.randn(1, 3, *pixels))
    assert encoded.states.shape[1] == cells + 5
    assert bool(encoded.states.isfinite().all())


@torch.no_grad()
def test_positions_of_a_larger_image_are_those_of_the_original_grid_resized() -> None:
    plain, resized = tiny(), tiny(interpolate_position=True)
    source, small, large = (
        torch.tensor([[5]]),
        torch.randn(1, 3, 256, 256),
        torch.randn(1, 3, 512, 384),
    )
    assert torch.equal(
        plain.encode(source, small).positions, resized.encode(source, small).positions
    )
    assert not torch.allclose(
        plain.encode(source, large).positions, resized.encode(source, large).positions
    )


@pytest.mark.parametrize("kept", [16, 20])
@torch.no_grad()
def test_positions_of_a_sample_of_cells_are_resized_above_the_original_number(kept: int) -> None:
    """The reference counts the cells after it has drawn them."""
    plain = tiny(original_image_size=64)
    resized = tiny(original_image_size=64, interpolate_position=True)
    source, images = torch.tensor([[5], [6]]), torch.randn(2, 3, 128, 128)
    orders = torch.stack([torch.randperm(64)[:kept] for _ in range(2)])
    whole = (plain if kept <= 16 else resized).encode(source, images).positions[0, :64]
    drawn = resized.encode(source, images, patch_orders_BK=orders).positions[:, :kept]
    assert torch.equal(drawn, whole[orders])


@torch.no_grad()
def test_the_longest_sources_and_code_targets_fit() -> None:
    torch.manual_seed(0)
    model = UnifiedModel(model_config("debug", 300, code_image_size=256)).eval()
    encoded = model.encode(torch.randint(4, 300, (1, 1024)))
    codes, prev = torch.tensor([True]), torch.randint(4, 300, (1, 1025))
    features = model.decode(prev, encoded, codes)
    assert features.shape == (1, 1025, 128)
    cache = model.start_cache(encoded, 1025, codes)
    begun = model.decode(prev[:, :1000], encoded, codes, cache)
    rest = model.decode(prev, encoded, codes, cache)
    torch.testing.assert_close(torch.cat([begun, rest], 1), features, atol=1e-4, rtol=1e-4)


def test_codes_stand_on_a_grid_of_the_model_s_own_width() -> None:
    """Row and column of a code are read off its id by the width of the model's table."""
    config = model_config("debug", 300, image_bucket_size=8, code_image_size=32)
    assert code_ids(config, 9).tolist() == [0, 1, 2, 3, 4, 9, 10, 11, 12]
    model = UnifiedModel(config).eval()
    with torch.no_grad():
        encoded = model.encode(torch.tensor([[0, 5, 2]]))
        features = model.decode(torch.full((1, 17), 7), encoded, torch.tensor([True]))
    assert features.shape == (1, 17, config.d_model)
