"""fit_image_tokenizer: fit the VQ-GAN on training images, and measure it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from components.config import Params
from components.dataset.codes import image_files, middle_batch, training_images
from components.errors import UserError
from components.lineage import write_manifest
from components.progress import show_progress
from components.stages.door import enter, limit_threads
from components.tokenization.image import Fit, encode_images, fit_tokenizer, psnr_db, save_tokenizer
from components.tokenization.vqgan import VqganConfig

OUT = Path("data/models/image_tokenizer")
NUM_SHOWN, NUM_MEASURED = 12, 256


def show_pairs(images_B3HW: Tensor, restored_B3HW: Tensor, path: Path) -> None:
    """Write originals above their reconstructions as one picture."""
    rows = [torch.cat(list(row), -1) for row in (images_B3HW, restored_B3HW)]
    pixels = torch.cat(rows, -2).add(1).mul(127.5).round().clamp(0, 255).byte()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)


@torch.no_grad()
def run(params: Params) -> None:
    """Fit on middles and whole images of the train splits; write weights, summary, a picture."""
    limit_threads(params.compute.threads)
    settings = params.fit_image_tokenizer
    records = training_images(params.pretrained_on)
    if not records:
        raise UserError(
            "there is no image to fit the image tokenizer on",
            why="neither the articles' figures nor the sets of pretrained_on have one",
            next_command="name a data set with images under pretrained_on in params.yaml",
        )
    shuffled = torch.randperm(len(records), generator=torch.Generator().manual_seed(params.seed))
    chosen = [records[i] for i in shuffled[: settings.max_images].tolist()]
    images = middle_batch(chosen, settings.image_px, params.tokenize_images.crop)
    num_codes = params.build_vocabulary.num_codes
    config = VqganConfig.narrow(settings.channels, settings.latent, num_codes)
    fit = Fit(settings.steps, settings.batch, settings.learning_rate, params.seed)
    with show_progress("fit_image_tokenizer", settings.steps) as advance, torch.enable_grad():
        model, losses = fit_tokenizer(
            images, config, fit, lambda step, loss: advance(step, f"loss {loss:.3f}")
        )
    save_tokenizer(model, OUT)
    measured = images[:NUM_MEASURED]
    codes = encode_images(model, measured)
    restored = model.decode_codes(codes)
    quality: dict[str, list[float]] = defaultdict(list)
    for record, value in zip(chosen, psnr_db(restored, measured), strict=False):
        quality[record.modality or "unknown"].append(value)
    summary = {
        "psnr_db": {k: round(sum(v) / len(v), 3) for k, v in sorted(quality.items())},
        "images_measured": {k: len(v) for k, v in sorted(quality.items())},
        "codes_used": len(set(codes.flatten().tolist())),
        "num_codes": config.num_codes,
        "image_px": settings.image_px,
        "losses": [round(loss, 6) for loss in losses],
    }
    (OUT / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    show_pairs(measured[:NUM_SHOWN], restored[:NUM_SHOWN], OUT / "reconstructions.png")
    print(f"PSNR {summary['psnr_db']} dB, {summary['codes_used']} of {config.num_codes} codes used")
    write_manifest(
        OUT,
        stage="fit_image_tokenizer",
        identity={},
        settings={**settings.model_dump(), "seed": params.seed},
        inputs=image_files(params.pretrained_on),
        counts={"in": len(chosen), "out": len(chosen)},
    )


if __name__ == "__main__":
    enter("fit_image_tokenizer", run)
