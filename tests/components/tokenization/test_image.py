"""The image tokenizer: the reference's numbers, the same codes each time, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from components.errors import UserError
from components.tokenization.image import (
    Fit,
    draw_gumbel,
    encode_images,
    fit_tokenizer,
    image_seed,
    load_tokenizer,
    save_tokenizer,
    take_tokenizer,
)
from components.tokenization.vqgan import AttnBlock, Vqgan, VqganConfig

TINY = VqganConfig(channels=4, latent=4, num_codes=6, num_blocks=1, num_groups=2)
IMAGES = torch.rand(3, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def tiny() -> Vqgan:
    torch.manual_seed(0)
    return Vqgan(TINY).eval()


@pytest.fixture(scope="module")
def case(shared_parity: Path) -> dict[str, torch.Tensor]:
    with np.load(shared_parity / "vqgan" / "case.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="module")
def reference(shared_parity: Path) -> Vqgan:
    model = Vqgan(VqganConfig(channels=32, latent=32))
    model.load_state_dict(load_file(shared_parity / "vqgan" / "weights.safetensors"))
    return model.eval()


@torch.no_grad()
def test_encoder_and_codes_equal_the_reference(
    reference: Vqgan, case: dict[str, torch.Tensor]
) -> None:
    torch.testing.assert_close(reference.encoder(case["image"]), case["enc"], atol=2e-5, rtol=0)
    logits = reference.code_logits(case["image"])
    torch.testing.assert_close(logits[:, ::64], case["logits_sub"], atol=2e-5, rtol=1e-5)
    assert torch.equal(encode_images(reference, case["image"]), case["codes"])


@torch.no_grad()
def test_decoded_codes_equal_the_reference(reference: Vqgan, case: dict[str, torch.Tensor]) -> None:
    latents = reference.quantize.embed(case["codes"]).permute(0, 3, 1, 2)
    torch.testing.assert_close(latents, case["zq"])
    restored = reference.decode_latents(latents)
    torch.testing.assert_close(restored, case["recon"], atol=2e-5, rtol=1e-5)
    assert torch.equal(reference.decode_codes(case["codes"]), restored.clamp(-1, 1))


def test_names_and_shapes_of_the_released_size(shared_parity: Path) -> None:
    with torch.device("meta"):
        model = Vqgan(VqganConfig())
    ours = {name: list(value.shape) for name, value in model.state_dict().items()}
    lines = (shared_parity / "vqgan" / "state_dict_full.txt").read_text().splitlines()
    theirs = dict(line.split("\t") for line in lines)
    assert {name: str(shape) for name, shape in ours.items()} == theirs


def test_one_code_for_eight_by_eight_pixels_and_always_the_same() -> None:
    model = tiny()
    codes = encode_images(model, IMAGES)
    assert codes.shape == (3, 2, 3)
    assert int(codes.max()) < TINY.num_codes
    assert torch.equal(codes, encode_images(model, IMAGES))
    assert torch.equal(codes[:1], encode_images(model, IMAGES[:1]))
    assert model.decode_codes(codes).shape == IMAGES.shape


def test_attention_of_the_released_size_is_in_the_last_level_and_the_middle() -> None:
    with torch.device("meta"):
        model = Vqgan(VqganConfig())
    found = {name for name, module in model.named_modules() if isinstance(module, AttnBlock)}
    assert found == {
        *(f"encoder.down.3.attn.{i}" for i in range(2)),
        *(f"decoder.up.3.attn.{i}" for i in range(3)),
        "encoder.mid.attn_1",
        "decoder.mid.attn_1",
    }


@torch.no_grad()
def test_the_released_size_runs() -> None:
    torch.manual_seed(0)
    model = Vqgan(VqganConfig()).eval()
    codes = encode_images(model, torch.rand(1, 3, 16, 24) * 2 - 1)
    assert codes.shape == (1, 2, 3)
    restored = model.decode_codes(codes)
    assert restored.shape == (1, 3, 16, 24)
    assert bool(restored.isfinite().all())


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (16, 48), (256, 8)])
def test_attention_sits_at_an_eighth_whatever_the_input(height: int, width: int) -> None:
    model = tiny()
    seen: set[tuple[int, ...]] = set()
    for module in model.modules():
        if isinstance(module, AttnBlock):
            module.register_forward_hook(lambda _m, inputs, _y: seen.add(inputs[0].shape[-2:]))
    codes = encode_images(model, torch.rand(1, 3, height, width) * 2 - 1)
    model.decode_codes(codes)
    assert seen == {(height // 8, width // 8)}


@pytest.mark.parametrize("code", [-1, 6])
def test_a_code_out_of_range_is_named(code: int) -> None:
    with pytest.raises(ValueError, match=rf"image code {code} is not in \[0, 6\)"):
        tiny().decode_codes(torch.tensor([[[0, code]]]))


def test_sampled_codes_follow_their_seeds() -> None:
    model = tiny()
    drawn = [encode_images(model, IMAGES, seeds) for seeds in ([1, 2, 3], [1, 2, 3], [1, 2, 4])]
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0][:2], drawn[2][:2])
    assert not torch.equal(drawn[0][2], drawn[2][2])
    assert not torch.equal(drawn[0], encode_images(model, IMAGES))


@given(st.permutations(range(5)), st.integers(1, 5))
@settings(deadline=None, max_examples=15)
def test_sampled_codes_do_not_depend_on_batch_or_order(order: list[int], batch: int) -> None:
    model = tiny()
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(4)) * 2 - 1
    seeds = [image_seed(7, f"image {i}") for i in range(5)]
    whole = encode_images(model, images, seeds)
    for begin in range(0, 5, batch):
        chosen = order[begin : begin + batch]
        codes = encode_images(model, images[chosen], [seeds[i] for i in chosen])
        assert torch.equal(codes, whole[chosen])


def test_an_image_s_seed_is_its_own() -> None:
    seeds = {image_seed(seed, name) for seed in (1, 11) for name in ("a", "1 a", "b", "")}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert image_seed(7, "abc") == 4708543591124861934


def test_noise_is_standard_gumbel() -> None:
    noise = draw_gumbel((200_000,), 3).double()
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(np.pi**2 / 6, abs=0.03)
    assert bool(noise.isfinite().all())


@torch.no_grad()
def test_samples_follow_the_softmax_of_the_logits() -> None:
    model, image = tiny(), IMAGES[:1, :, :8, :8]
    expected = model.code_logits(image).softmax(1).flatten()
    images = image.expand(3000, -1, -1, -1)
    codes = encode_images(model, images, range(3000)).flatten()
    found = torch.bincount(codes, minlength=TINY.num_codes) / 3000
    torch.testing.assert_close(found, expected, atol=0.04, rtol=0)


def draw(numbers: Sequence[int]) -> torch.Tensor:
    return IMAGES[list(numbers)]


def test_a_fit_follows_its_seed_and_gets_better() -> None:
    fit = Fit(steps=40, batch=4, learning_rate=1e-2, seed=3)
    seen: list[int] = []
    model, losses = fit_tokenizer(draw, 3, TINY, fit, lambda step, _: seen.append(step))
    again, same = fit_tokenizer(draw, 3, TINY, fit, lambda *_: None)
    assert seen == list(range(1, 41))
    assert losses == same
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_saved_and_loaded_gives_the_same_codes(tmp_path: Path) -> None:
    model = tiny()
    save_tokenizer(model, tmp_path / "a")
    loaded = load_tokenizer(tmp_path / "a")
    save_tokenizer(loaded, tmp_path / "b")
    assert loaded.config == TINY
    assert torch.equal(encode_images(model, IMAGES), encode_images(loaded, IMAGES))
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_missing_tokenizer_names_its_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.safetensors is missing") as caught:
        load_tokenizer(tmp_path)
    assert caught.value.next_command == "dvc repro fit_image_tokenizer"


def test_a_given_tokenizer_is_taken_where_its_codes_fit(tmp_path: Path) -> None:
    save_tokenizer(tiny(), tmp_path)
    assert take_tokenizer(tmp_path, 6).config == TINY
    with pytest.raises(UserError, match="has 6 codes") as caught:
        take_tokenizer(tmp_path, 8192)
    assert "build_vocabulary.num_codes is 8192" in caught.value.why


def test_a_folder_without_one_says_how_to_get_the_released(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"start_from names .*, which holds no image") as caught:
        take_tokenizer(tmp_path / "vqgan", 8192)
    assert f"biomedgpt import last.ckpt --to {tmp_path / 'vqgan'}" in caught.value.next_command


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b'{"width": 4, "multipliers": [1]}'),
        ("config.json", TINY.to_json().replace('"latent": 4', '"latent": 8').encode()),
        ("model.safetensors", b"no tensors at all"),
        ("config.json", TINY.to_json().replace('"latent": 4', '"latent": 9999999').encode()),
        ("config.json", TINY.to_json().replace('"latent": 4', '"latent": -4').encode()),
        ("config.json", TINY.to_json().replace('"num_blocks": ', '"num_blocks": 99999').encode()),
        ("config.json", b"[" * 100_000),
    ],
    ids=[
        "no-json",
        "other-keys",
        "other-shapes",
        "no-tensors",
        "claims-more",
        "negative",
        "deep",
        "brackets",
    ],
)
def test_a_damaged_tokenizer_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    save_tokenizer(tiny(), tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="holds no image tokenizer that can be read"):
        load_tokenizer(tmp_path)
