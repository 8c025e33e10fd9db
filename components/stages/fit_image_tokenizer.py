"""fit_image_tokenizer: fit the VQ-GAN on training images, or take one, and measure it on others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from components.config import Params
from components.dataset.codes import (
    Place,
    hold_out,
    image_files,
    load_images,
    middle_batch,
    training_images,
)
from components.dataset.left_out import FILE as LEFT_OUT
from components.dataset.left_out import LeftOut
from components.devices import pick_device
from components.errors import UserError
from components.lineage import write_manifest
from components.progress import show_progress
from components.records import ImageRecord, batches
from components.stages.door import enter, limit_threads
from components.tokenization.image import (
    Fit,
    encode_images,
    fit_tokenizer,
    save_tokenizer,
    take_tokenizer,
)
from components.tokenization.quality import measure_tokenizer
from components.tokenization.vqgan import Vqgan, VqganConfig

OUT = Path("data/models/image_tokenizer")
NUM_SHOWN = 12


def draw(records: Sequence[ImageRecord], params: Params) -> Tensor:
    """Records as images (B, 3, H, W) of the fit's size and the codes' crop."""
    return middle_batch(records, params.fit_image_tokenizer.image_px, params.tokenize_images.crop)


def fit(params: Params, places: Sequence[Place]) -> tuple[Vqgan, list[float]]:
    """A tokenizer of the width in params.yaml, fitted on images, and the loss of each step."""
    records = load_images(places)
    settings, num_codes = params.fit_image_tokenizer, params.build_vocabulary.num_codes
    device = pick_device(params.compute.device)
    with show_progress("fit_image_tokenizer", settings.steps) as advance:
        return fit_tokenizer(
            lambda chosen: draw([records[i] for i in chosen], params),
            len(records),
            VqganConfig.narrow(settings.channels, settings.latent, num_codes),
            Fit(settings.steps, settings.batch, settings.learning_rate, params.seed, device),
            lambda step, loss: advance(step, f"loss {loss:.3f}"),
        )


def show_pairs(images_B3HW: Tensor, restored_B3HW: Tensor, path: Path) -> None:
    """Write originals above their reconstructions as one picture."""
    rows = [torch.cat(list(row), -1) for row in (images_B3HW, restored_B3HW)]
    pixels = torch.cat(rows, -2).add(1).mul(127.5).round().clamp(0, 255).byte()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)


@torch.no_grad()
def run(params: Params) -> None:
    """Write weights, and a summary and a picture of what is left of images held out of the fit.

    An image that audit.drop leaves out of training is neither fitted nor measured.
    """
    limit_threads(params.compute.threads)
    settings, start = params.fit_image_tokenizer, params.fit_image_tokenizer.start_from
    seen = [*params.pretrained_on, *params.pretraining_sources]
    left_out = LeftOut(LEFT_OUT).images
    places = [place for place in training_images(seen) if place.id not in left_out]
    fitted, held = hold_out(places, settings.max_images, params.seed)
    if not held or not (fitted or start):
        raise UserError(
            "there are too few images to fit the image tokenizer on, and to measure it on others",
            why=f"the articles' figures and the sets of pretrained_on have {len(fitted + held)}",
            next_command="name a data set with images under pretrained_on in params.yaml",
        )
    if start:
        fitted, losses = [], list[float]()
        model = take_tokenizer(Path(start), params.build_vocabulary.num_codes)
    else:
        with torch.enable_grad():
            model, losses = fit(params, fitted)
    model = model.to(pick_device(params.compute.device))
    images = load_images(held)
    drawn = (draw(chunk, params) for chunk in batches(images, settings.batch))
    summary = {
        **measure_tokenizer(model, drawn, [place.modality for place in held]),
        "num_codes": model.config.num_codes,
        "image_px": settings.image_px,
        "crop": params.tokenize_images.crop,
        "images_fitted": len(fitted),
        "losses": [round(loss, 6) for loss in losses],
    }
    save_tokenizer(model, OUT)
    (OUT / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    shown = draw(images[:NUM_SHOWN], params)
    codes = encode_images(model, shown.to(next(model.parameters()).device))
    show_pairs(shown, model.decode_codes(codes).cpu(), OUT / "reconstructions.png")
    every = summary["all"]
    print(
        f"PSNR {every['psnr_db']:.2f} dB, SSIM {every['ssim']:.3f} on {every['images']} images "
        f"held out, {every['codes_used']} of {model.config.num_codes} codes used"
    )
    write_manifest(
        OUT,
        stage="fit_image_tokenizer",
        identity={},
        settings={**settings.model_dump(), "crop": params.tokenize_images.crop}
        | {"seed": params.seed},
        inputs=[*image_files(seen), LEFT_OUT, *([Path(start)] if start else [])],
        counts={"in": len(fitted + held), "out": len(fitted + held)},
    )


if __name__ == "__main__":
    enter("fit_image_tokenizer", run)
