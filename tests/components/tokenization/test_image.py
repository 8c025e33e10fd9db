"""The image tokenizer: the reference's numbers, the same codes each time, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from components.errors import UserError
from components.tokenization.image import (
    Fit,
    encode_images,
    fit_tokenizer,
    load_tokenizer,
    psnr_db,
    save_tokenizer,
)
from components.tokenization.vqgan import Vqgan, VqganConfig

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


def test_sampled_codes_follow_their_seed() -> None:
    model = tiny()
    drawn = [
        encode_images(model, IMAGES, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_fit_follows_its_seed_and_gets_better() -> None:
    fit = Fit(steps=40, batch=4, learning_rate=1e-2, seed=3)
    seen: list[int] = []
    model, losses = fit_tokenizer(IMAGES, TINY, fit, lambda step, _: seen.append(step))
    again, same = fit_tokenizer(IMAGES, TINY, fit, lambda *_: None)
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


def test_psnr_of_known_errors() -> None:
    white, black = torch.ones(2, 3, 4, 4), -torch.ones(2, 3, 4, 4)
    assert psnr_db(white, black) == pytest.approx([0.0, 0.0])
    assert psnr_db(white, white - 0.2) == pytest.approx([20.0, 20.0], abs=1e-4)
    assert psnr_db(white, white) == pytest.approx([10 * np.log10(4e10)] * 2)
