"""Images to codes and back: the fitted tokenizer, how it is fitted, and how good it is.

Shape letters: B images, H and W pixels, h and w cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.errors import UserError
from components.tokenization.vqgan import Vqgan, VqganConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"
KL_WEIGHT = 5e-4  # as taming's Gumbel configuration
START_TEMPERATURE, END_TEMPERATURE = 1.0, 0.1
PLAIN_SHARE = 0.8  # of the steps, before there are codes
KMEANS_ROUNDS, MAX_PLACING_IMAGES = 12, 512
SHARPNESS = 4.0  # mean lead in logits of a latent's nearest code over the second


@dataclass(frozen=True)
class Fit:
    """Numbers of a fit."""

    steps: int
    batch: int
    learning_rate: float
    seed: int


def fit_tokenizer(
    images_B3HW: Tensor,
    config: VqganConfig,
    fit: Fit,
    on_step: Callable[[int, float], None],
) -> tuple[Vqgan, list[float]]:
    """Fit a tokenizer on images in [-1, 1]; returns it and the loss of each step.

    First as an autoencoder; then the codebook is set to the centres of its latents, so that every
    code is in use from the start, and what follows goes through Gumbel-softmax codes with falling
    temperature and a pull of the code distribution towards uniform. The loss is reconstruction
    (L1 and L2). The released model was also trained with a perceptual and an adversarial loss; at
    the width that is fitted here they are left out.
    """
    torch.manual_seed(fit.seed)
    model = Vqgan(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=fit.learning_rate, betas=(0.9, 0.99))
    losses = []
    num_plain = int(fit.steps * PLAIN_SHARE)
    model.train()
    for step in range(1, fit.steps + 1):
        images = images_B3HW[torch.randint(images_B3HW.shape[0], (fit.batch,))]
        done = step / fit.steps
        rate = fit.learning_rate * min(1.0, step / 20) * (1 - done * 0.9)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _plain_loss(model, images) if step <= num_plain else _code_loss(model, images, done)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        on_step(step, losses[-1])
        if step == num_plain:
            place_codes(model, images_B3HW[:MAX_PLACING_IMAGES])
    return model.eval(), losses


def _plain_loss(model: Vqgan, images: Tensor) -> Tensor:
    restored = model.decode_latents(model.encode_latents(images))
    return F.l1_loss(restored, images) + F.mse_loss(restored, images)


def _code_loss(model: Vqgan, images: Tensor, done: float) -> Tensor:
    temperature = START_TEMPERATURE * (END_TEMPERATURE / START_TEMPERATURE) ** done
    restored, logits = model.reconstruct(images, temperature)
    probabilities = logits.softmax(1)
    entropy = (probabilities * (probabilities * model.config.num_codes + 1e-10).log()).sum(1)
    return F.l1_loss(restored, images) + F.mse_loss(restored, images) + KL_WEIGHT * entropy.mean()


@torch.no_grad()
def place_codes(model: Vqgan, images_B3HW: Tensor) -> None:
    """Set the codebook to k-means centres of the latents, and the logits to closeness to them.

    The logit of a code is 2 c.z - c.c, the part of -|z - c|^2 that differs between codes, sharpened
    until a latent's own centre clearly wins.
    """
    latents_ND = model.encode_latents(images_B3HW).permute(0, 2, 3, 1).flatten(0, 2)
    centres_KD = find_centres(latents_ND, model.config.num_codes)
    distances = torch.cdist(latents_ND, centres_KD).square()
    nearest = distances.topk(min(2, len(centres_KD)), largest=False).values
    sharpness = SHARPNESS / (nearest[:, -1] - nearest[:, 0]).mean().clamp_min(1e-6)
    model.quantize.embed.weight.copy_(centres_KD)
    model.quantize.proj.weight.copy_(2 * sharpness * centres_KD[:, :, None, None])
    bias = model.quantize.proj.bias
    if bias is not None:
        bias.copy_(-sharpness * centres_KD.square().sum(1))


def find_centres(points_ND: Tensor, num: int) -> Tensor:
    """Lloyd's k-means from random points of torch's generator, (num, D).

    A centre that loses all its points starts again at a random one.
    """
    centres_KD = points_ND[torch.randint(len(points_ND), (num,))].clone()
    for _ in range(KMEANS_ROUNDS):
        owner_N = torch.cdist(points_ND, centres_KD).argmin(1)
        sums_KD = torch.zeros_like(centres_KD).index_add_(0, owner_N, points_ND)
        counts_K = torch.bincount(owner_N, minlength=num)
        spare_KD = points_ND[torch.randint(len(points_ND), (num,))]
        filled = (counts_K > 0)[:, None]
        centres_KD = torch.where(filled, sums_KD / counts_K.clamp_min(1)[:, None], spare_KD)
    return centres_KD


@torch.no_grad()
def encode_images(
    model: Vqgan, images_B3HW: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Codes (B, h, w): the likeliest, or with a generator a sample as the reference draws it.

    The reference adds Gumbel noise even at inference, so that its codes differ from run to run;
    here that is an option with a seed.
    """
    logits = model.code_logits(images_B3HW)
    if generator is not None:
        uniform = torch.rand(logits.shape, generator=generator).clamp_min(1e-20)
        logits = logits - (-uniform.log()).log()
    return logits.argmax(1)


def psnr_db(restored_B3HW: Tensor, images_B3HW: Tensor) -> list[float]:
    """Peak signal-to-noise ratio of each image in decibels, for values in [-1, 1]."""
    errors = (restored_B3HW - images_B3HW).square().mean((1, 2, 3)).clamp_min(1e-10)
    return [float(value) for value in 10 * torch.log10(4.0 / errors)]


def save_tokenizer(model: Vqgan, folder: Path) -> None:
    """Write weights and config."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(model.config.to_json())


def load_tokenizer(folder: Path) -> Vqgan:
    """Read what ``save_tokenizer`` wrote; names and shapes must match exactly."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(f"{path} is missing", next_command="dvc repro fit_image_tokenizer")
    model = Vqgan(VqganConfig.from_json((folder / CONFIG).read_text()))
    model.load_state_dict(load_file(path))
    return model.eval()
