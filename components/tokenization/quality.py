"""How good an image tokenizer is: what its codes keep of an image, and how many of them it uses.

Shape letters: B images of a batch, N of all, H and W pixels, h and w cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from components.errors import UserError
from components.tokenization.image import encode_images
from components.tokenization.vqgan import Vqgan

PEAK = 2.0  # values lie in [-1, 1]
WINDOW, SIGMA = 11, 1.5
LUMINANCE, CONTRAST = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
UNKNOWN, EVERY = "unknown", "every"
FIGURES = {"psnr_db": ("PSNR", " dB"), "ssim": ("SSIM", "")}


def psnr_db(restored_B3HW: Tensor, images_B3HW: Tensor) -> list[float]:
    """Peak signal-to-noise ratio of each image in decibels, for values in [-1, 1]."""
    errors = (restored_B3HW - images_B3HW).square().mean((1, 2, 3)).clamp_min(1e-10)
    return [float(value) for value in 10 * torch.log10(PEAK**2 / errors)]


def ssim(restored_B3HW: Tensor, images_B3HW: Tensor) -> list[float]:
    """Structural similarity of each image, 1 for equal ones, for values in [-1, 1].

    Method: Wang et al. 2004, IEEE TIP 13(4), section III: Gaussian window of 11 x 11 pixels with
    deviation 1.5, K1 0.01, K2 0.03; the mean over all places where the window lies inside, and
    over the three channels. An image smaller than the window gets the largest odd one that fits.
    """
    side = min(WINDOW, *images_B3HW.shape[-2:])
    side -= 1 - side % 2
    places = torch.arange(side, dtype=torch.float64, device=images_B3HW.device) - side // 2
    bell = torch.exp(-places.square() / (2 * SIGMA**2))
    kernel = torch.outer(bell, bell) / bell.sum().square()

    def blur(values: Tensor) -> Tensor:
        return F.conv2d(values, kernel.expand(3, 1, side, side), groups=3)

    x, y = restored_B3HW.double(), images_B3HW.double()
    mean_x, mean_y = blur(x), blur(y)
    spread = blur(x * x) - mean_x.square() + blur(y * y) - mean_y.square()
    shared = blur(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + LUMINANCE) * (2 * shared + CONTRAST)
    alike /= (mean_x.square() + mean_y.square() + LUMINANCE) * (spread + CONTRAST)
    return [float(value) for value in alike.mean((1, 2, 3))]


def codebook_use(codes: Tensor, num_codes: int) -> dict[str, Any]:
    """``codes_used``, their ``share`` of all codes, and the ``perplexity`` of their distribution.

    Perplexity: e to the entropy; as many equally frequent codes would be as hard to guess.
    """
    counts = torch.bincount(codes.flatten(), minlength=num_codes).double()
    shares = counts[counts > 0] / counts.sum()
    return {
        "cells": int(counts.sum()),
        "codes_used": len(shares),
        "share": len(shares) / num_codes,
        "perplexity": float(torch.exp(-(shares * shares.log()).sum())),
    }


def require_quality(measured: Mapping[str, Any], least: Mapping[str, Mapping[Any, float]]) -> None:
    """UserError where the mean of a modality is under what ``least`` asks of it.

    ``measured`` is what ``measure_tokenizer`` gave. What stands under ``every`` is asked of each
    modality that has no limits of its own; a limit of 0 asks nothing.
    """
    low = []
    for name, row in measured["by_modality"].items():
        limits = least.get(name, least.get(EVERY, {}))
        for figure, (title, unit) in FIGURES.items():
            limit = limits.get(figure, 0.0)
            if row[figure] < limit > 0:
                words = f"{title} {row[figure]:.4g}{unit} of {name}, asked for are {limit:g}{unit}"
                low.append((f"{name if name in least else EVERY}.{figure}", words))
    if low:
        raise UserError(
            f"image codes keep too little: {'; '.join(words for _, words in low)}",
            why="the means of a sample of each modality, encoded and decoded again",
            next_command="fit a better image tokenizer, or import one "
            "(fit_image_tokenizer in params.yaml); or, if that is enough for you, lower "
            f"tokenize_images.min_quality.{low[0][0]} there and run dvc repro tokenize_images",
        )


@torch.no_grad()
def measure_tokenizer(
    model: Vqgan, batches: Iterable[Tensor], modalities: Sequence[str]
) -> dict[str, Any]:
    """Mean PSNR and SSIM, and codebook use: of every image (``all``), and ``by_modality``.

    ``batches`` holds the images in [-1, 1], ``modalities`` their kinds in the same order. Codes
    are the likeliest ones.
    """
    device = next(model.parameters()).device
    grids, psnr, similarity = [], list[float](), list[float]()
    for batch in batches:
        images_B3HW = batch.to(device)
        codes_Bhw = encode_images(model, images_B3HW)
        restored_B3HW = model.decode_codes(codes_Bhw)
        grids.append(codes_Bhw.cpu())
        psnr += psnr_db(restored_B3HW, images_B3HW)
        similarity += ssim(restored_B3HW, images_B3HW)
    codes_Nhw, names = torch.cat(grids), [modality or UNKNOWN for modality in modalities]

    def summarize(chosen: list[int]) -> dict[str, Any]:
        measured = {
            "images": len(chosen),
            "psnr_db": sum(psnr[i] for i in chosen) / len(chosen),
            "ssim": sum(similarity[i] for i in chosen) / len(chosen),
            **codebook_use(codes_Nhw[chosen], model.config.num_codes),
        }
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in measured.items()}

    parts = {name: [i for i, n in enumerate(names) if n == name] for name in sorted(set(names))}
    return {
        "all": summarize(list(range(len(names)))),
        "by_modality": {name: summarize(chosen) for name, chosen in parts.items()},
    }
