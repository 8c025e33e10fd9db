"""tokenize_images: the codes of every image that pretraining may see."""

from __future__ import annotations

import json
from pathlib import Path

from components.config import Params
from components.dataset.codes import image_files, training_images
from components.dataset.encodings import (
    Encoding,
    Transform,
    encode_missing,
    find_codes,
    gather_codes,
    make_key,
    measure_sample,
    merge_units,
)
from components.devices import pick_device
from components.lineage import check_share, write_manifest
from components.stages.door import enter, limit_threads
from components.tokenization.quality import require_quality

TOKENIZER, OUT = Path("data/models/image_tokenizer"), Path("data/codes")
ENCODINGS = Path("data/encodings")
DECIDE_NO_CODE = {"batch", "workers", "min_quality"}


def run(params: Params) -> None:
    """Measure a sample, then encode what is not yet: train splits and the articles' figures."""
    limit_threads(params.compute.threads)
    settings = params.tokenize_images
    seed = params.seed if settings.codes == "gumbel" else None
    transform = Transform(settings.image_px, settings.crop, seed)
    device = pick_device(params.compute.device)
    encoding = Encoding(TOKENIZER, transform, settings.batch, device, params.compute.threads)
    seen = [*params.pretrained_on, *params.pretraining_sources]
    places = training_images(seen)
    measured = measure_sample(places, encoding)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "quality.json").write_text(json.dumps(measured, indent=1) + "\n")
    require_quality(measured, settings.min_quality)
    rejects = encode_missing(places, encoding, ENCODINGS, settings.workers)
    check_share(OUT, len(places), rejects, settings.max_quarantined, "tokenize_images")
    key = make_key(TOKENIZER, transform)
    merge_units(ENCODINGS / key)
    num = gather_codes(places, find_codes(ENCODINGS / key), OUT / "codes")
    write_manifest(
        OUT,
        stage="tokenize_images",
        identity={},
        settings={**settings.model_dump(exclude=DECIDE_NO_CODE), "seed": params.seed},
        inputs=[TOKENIZER, *image_files(seen)],
        counts={"in": len(places), "out": num},
        rejects=rejects,
        notes={"key": key},
    )


if __name__ == "__main__":
    enter("tokenize_images", run)
