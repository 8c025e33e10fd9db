"""tokenize_images: the codes of every image that pretraining may see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from components.config import Params
from components.dataset.codes import image_files, middle_batch, training_images
from components.devices import pick_device
from components.lineage import write_manifest
from components.progress import show_progress
from components.records import ImageCodes, write_records
from components.stages.door import enter, limit_threads
from components.tokenization.image import encode_images, image_seed, load_tokenizer
from components.tokenization.quality import psnr_db

TOKENIZER, OUT = Path("data/models/image_tokenizer"), Path("data/codes")


def run(params: Params) -> None:
    """Encode the images of the train splits and of the articles' figures, in batches."""
    limit_threads(params.compute.threads)
    settings = params.tokenize_images
    device = pick_device(params.compute.device)
    model = load_tokenizer(TOKENIZER).to(device)
    seen = [*params.pretrained_on, *params.pretraining_sources]
    records = training_images(seen)

    def encode() -> Iterator[ImageCodes]:
        with show_progress("tokenize_images", len(records)) as advance:
            for begin in range(0, len(records), settings.batch):
                chunk = records[begin : begin + settings.batch]
                images = middle_batch(chunk, settings.image_px, settings.crop).to(device)
                seeds = [image_seed(params.seed, record.id) for record in chunk]
                codes = encode_images(model, images, seeds if settings.codes == "gumbel" else None)
                quality = psnr_db(model.decode_codes(codes), images)
                for record, grid, psnr in zip(chunk, codes, quality, strict=True):
                    yield ImageCodes(record.id, grid.flatten().tolist(), psnr, record.modality)
                advance(begin + len(chunk))

    with torch.no_grad():
        num = write_records(OUT / "codes.parquet", ImageCodes, encode())
    write_manifest(
        OUT,
        stage="tokenize_images",
        identity={},
        settings={**settings.model_dump(), "seed": params.seed},
        inputs=[TOKENIZER, *image_files(seen)],
        counts={"in": len(records), "out": num},
    )


if __name__ == "__main__":
    enter("tokenize_images", run)
