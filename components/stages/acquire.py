"""acquire: bring the raw files of one source into data/raw/<source>, in their official layout."""

from __future__ import annotations

from pathlib import Path

from components.acquire.place import place_download, place_local, place_sample
from components.cards import load_card
from components.config import Params
from components.lineage import write_manifest
from components.sample.settings import SampleSettings
from components.stages.door import enter

FACTS = ("folders", "files", "source.url", "source.downloads")


def run(params: Params, source: str) -> None:
    """Make, copy or download the raw files, and write down what came."""
    card = load_card(source)
    folder = Path("data/raw") / source
    settings = params.acquire
    if settings.mode == "sample":
        sample = SampleSettings(
            num_images=settings.sample_images,
            num_texts=settings.sample_texts,
            image_px=settings.sample_image_px,
            seed=params.seed,
        )
        files = place_sample(card, folder, sample)
    elif settings.mode == "local":
        files = place_local(card, Path(settings.root), folder)
    else:
        files = place_download(card, folder)
    print(f"{card.title}: {len(files)} files in {folder} ({settings.mode})")
    write_manifest(
        folder,
        stage="acquire",
        identity={"source": source},
        settings={**settings.model_dump(), "card": card.facts(*FACTS)},
        inputs=[],
        counts={"in": len(files), "out": len(files)},
    )


if __name__ == "__main__":
    enter("acquire", run, "source")
