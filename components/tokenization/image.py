"""Images to codes and back: the tokenizer, how it is fitted, and its files.

Shape letters: B images, K codes, H and W pixels, h and w cells; N latents of width D.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.errors import UserError, refusals_numbered
from components.tokenization.vqgan import Vqgan, VqganConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"
KL_WEIGHT = 5e-4  # as taming's Gumbel configuration
START_TEMPERATURE, END_TEMPERATURE = 1.0, 0.1
PLAIN_SHARE = 0.8  # of the steps, before there are codes
KMEANS_ROUNDS, MAX_PLACING_IMAGES, MAX_PLACING_LATENTS = 12, 512, 1 << 15
SHARPNESS = 4.0  # mean lead in logits of a latent's nearest code over the second
MAX_REASON = 500  # characters of a reader's complaint


@dataclass(frozen=True)
class Fit:
    """Numbers of a fit, and where it runs."""

    steps: int
    batch: int
    learning_rate: float
    seed: int
    device: str = "cpu"


def fit_tokenizer(
    draw: Callable[[Sequence[int]], Tensor],
    num_images: int,
    config: VqganConfig,
    fit: Fit,
    on_step: Callable[[int, float], None],
) -> tuple[Vqgan, list[float]]:
    """Fit a tokenizer; returns it, on the fit's device, and the loss of each step.

    ``draw`` gives images (B, 3, H, W) in [-1, 1] by their numbers below ``num_images``, so that
    they need not all be in memory.

    First as an autoencoder; then the codebook is set to the centres of its latents, so that every
    code is in use from the start, and what follows goes through Gumbel-softmax codes with falling
    temperature and a pull of the code distribution towards uniform. The loss is reconstruction
    (L1 and L2). The released model was also trained with a perceptual and an adversarial loss; at
    the width that is fitted here they are left out.
    """
    torch.manual_seed(fit.seed)
    model = Vqgan(config).to(fit.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=fit.learning_rate, betas=(0.9, 0.99))
    losses = []
    num_plain = int(fit.steps * PLAIN_SHARE)
    model.train()
    for step in range(1, fit.steps + 1):
        images = draw(torch.randint(num_images, (fit.batch,)).tolist()).to(fit.device)
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
            place_codes(model, _draw_latents(model, draw, num_images, fit))
    return model.eval(), losses


@torch.no_grad()
def _draw_latents(
    model: Vqgan, draw: Callable[[Sequence[int]], Tensor], num_images: int, fit: Fit
) -> Tensor:
    """Latents (N, latent) of the first images, a random part of them where there are many."""
    numbers = range(min(num_images, MAX_PLACING_IMAGES))
    chunks = [numbers[i : i + fit.batch] for i in range(0, len(numbers), fit.batch)]
    latents = [model.encode_latents(draw(chunk).to(fit.device)) for chunk in chunks]
    latents_ND = torch.cat([x.permute(0, 2, 3, 1).flatten(0, 2) for x in latents])
    if len(latents_ND) <= MAX_PLACING_LATENTS:
        return latents_ND
    return latents_ND[torch.randperm(len(latents_ND))[:MAX_PLACING_LATENTS]]


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
def place_codes(model: Vqgan, latents_ND: Tensor) -> None:
    """Set the codebook to k-means centres of latents, and the logits to closeness to them.

    The logit of a code is 2 c.z - c.c, the part of -|z - c|^2 that differs between codes, sharpened
    until a latent's own centre clearly wins.
    """
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
def encode_images(model: Vqgan, images_B3HW: Tensor, seeds: Sequence[int] | None = None) -> Tensor:
    """Codes (B, h, w): the likeliest, or with a seed for each image a sample of the distribution.

    The reference adds Gumbel noise even at inference, so that its codes differ from run to run.
    Here that is an option, and an image's noise follows from its own seed alone: the codes do not
    depend on which images are encoded with it, or when.
    """
    logits_BKhw = model.code_logits(images_B3HW)
    if seeds is not None:
        shape = logits_BKhw.shape[1:]
        noise_BKhw = torch.stack([draw_gumbel(shape, seed) for seed in seeds])
        logits_BKhw = logits_BKhw + noise_BKhw.to(logits_BKhw.device)
    return logits_BKhw.argmax(1)


def draw_gumbel(shape: Sequence[int], seed: int) -> Tensor:
    """Standard Gumbel noise from a seed, drawn on the CPU: the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return -torch.empty(*shape).exponential_(generator=generator).log()


def image_seed(seed: int, image_id: str) -> int:
    """The seed of one image's noise, in [0, 2^63): a hash of the run's seed and the image's id."""
    digest = hashlib.sha256(f"{seed} {image_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def save_tokenizer(model: Vqgan, folder: Path) -> None:
    """Write weights and config."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    (folder / WEIGHTS).touch()
    mode = (folder / WEIGHTS).stat().st_mode
    with refusals_numbered(folder / WEIGHTS, SafetensorError):
        save_file(tensors, folder / WEIGHTS)  # which lets nobody else read it
    (folder / WEIGHTS).chmod(mode)
    (folder / CONFIG).write_text(model.config.to_json())


def take_tokenizer(folder: Path, num_codes: int) -> Vqgan:
    """The tokenizer of a given folder; UserError where there is none, or one of other codes."""
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"fit_image_tokenizer.start_from names {folder}, which holds no image tokenizer",
            why="the released one is last.ckpt of taming-transformers' VQ-GAN for OpenImages: "
            "f8, 8,192 codes, Gumbel quantizer",
            next_command=f"biomedgpt import last.ckpt --to {folder}, or set start_from to '' in "
            "params.yaml to fit one here",
        )
    model = load_tokenizer(folder)
    if model.config.num_codes != num_codes:
        raise UserError(
            f"the image tokenizer in {folder} has {model.config.num_codes} codes",
            why=f"build_vocabulary.num_codes is {num_codes}: each code needs its place there",
            next_command=f"set build_vocabulary.num_codes to {model.config.num_codes}",
        )
    return model


def load_encoder(folder: Path, device: str) -> Vqgan:
    """``load_tokenizer`` for encoding much: on a device, its weights laid out for convolutions."""
    model = load_tokenizer(folder).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def load_tokenizer(folder: Path) -> Vqgan:
    """Read what ``save_tokenizer`` wrote, names and shapes exactly; else UserError."""
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name} is missing", next_command="dvc repro fit_image_tokenizer"
            )
    try:
        config = VqganConfig.from_json(folder / CONFIG)
        if config.least_parameters() > (folder / WEIGHTS).stat().st_size:  # before it is built
            raise ValueError(f"{CONFIG} speaks of more numbers than {WEIGHTS} has bytes")
        model = Vqgan(config)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        raise UserError(
            f"{folder} holds no image tokenizer that can be read",
            why=f"{type(error).__name__}: {error}"[:MAX_REASON],
        ) from None
    return model.eval()
