"""How a tokenizer is measured: known values, and codebook use by modality."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenization.quality import codebook_use, measure_tokenizer, psnr_db, ssim
from components.tokenization.vqgan import Vqgan, VqganConfig

TINY = VqganConfig(channels=4, latent=4, num_codes=6, num_blocks=1, num_groups=2)


def waves(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image of waves, and the same paler and with finer ones on it; (1, 3, H, W)."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([np.sin(x / 3 + c) * np.cos(y / 4) for c in range(3)]) * 0.8
    fine = np.stack([np.cos(x * 1.7 + y * 2.3 * c) for c in range(3)])
    return torch.from_numpy(image)[None], torch.from_numpy(image * 0.7 + 0.1 * fine)[None]


def test_psnr_of_known_errors() -> None:
    white, black = torch.ones(2, 3, 4, 4), -torch.ones(2, 3, 4, 4)
    assert psnr_db(white, black) == pytest.approx([0.0, 0.0])
    assert psnr_db(white, white - 0.2) == pytest.approx([20.0, 20.0], abs=1e-4)
    assert psnr_db(white, white) == pytest.approx([10 * np.log10(4e10)] * 2)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (32, 32, 0.8292256505258603),
        (24, 40, 0.8290570173033202),
        (11, 11, 0.8180525194074355),
    ],
)
def test_ssim_equals_scikit_image(height: int, width: int, expected: float) -> None:
    """scikit-image 0.26, structural_similarity: gaussian_weights, sigma 1.5, no sample covariance,
    data_range 2."""
    image, changed = waves(height, width)
    assert ssim(image, changed) == pytest.approx([expected], abs=1e-12)


def test_ssim_of_flat_images_is_their_luminance_term() -> None:
    a, b, constant = 0.5, 0.25, 0.02**2
    flat = torch.ones(1, 3, 16, 16)
    expected = (2 * a * b + constant) / (a * a + b * b + constant)
    assert ssim(flat * a, flat * b) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("side", [1, 2, 8, 10, 11, 12])
def test_ssim_of_equal_images_is_one_at_any_size(side: int) -> None:
    images = torch.rand(2, 3, side, side + 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert ssim(images, images) == pytest.approx([1.0, 1.0])


def test_codebook_use_of_known_codes() -> None:
    assert codebook_use(torch.tensor([[3, 3], [3, 3]]), 8) == {
        "cells": 4, "codes_used": 1, "share": 1 / 8, "perplexity": 1.0,
    }  # fmt: skip
    even = codebook_use(torch.arange(8).repeat(5), 8)
    assert (even["codes_used"], even["share"]) == (8, 1.0)
    assert even["perplexity"] == pytest.approx(8.0)
    skewed = codebook_use(torch.tensor([0, 0, 0, 1]), 8)["perplexity"]
    assert skewed == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


@given(st.lists(st.integers(0, 15), min_size=1, max_size=60))
@settings(deadline=None)
def test_perplexity_lies_between_one_and_the_codes_used(codes: list[int]) -> None:
    use = codebook_use(torch.tensor(codes), 16)
    assert 1 - 1e-9 <= use["perplexity"] <= use["codes_used"] + 1e-9
    assert use["codes_used"] == len(set(codes))


def test_a_tokenizer_is_measured_as_a_whole_and_by_modality() -> None:
    torch.manual_seed(0)
    model, images = Vqgan(TINY).eval(), torch.rand(5, 3, 16, 16) * 2 - 1
    modalities = ["ct", "", "xray", "ct", "ct"]
    found = measure_tokenizer(model, images.split(2), modalities)
    assert list(found["by_modality"]) == ["ct", "unknown", "xray"]
    assert [row["images"] for row in found["by_modality"].values()] == [3, 1, 1]
    assert found["all"]["images"] == 5
    assert found["all"]["cells"] == 5 * 4
    alone = measure_tokenizer(model, [images[[0, 3, 4]]], ["ct"] * 3)
    assert alone["all"] == found["by_modality"]["ct"]
