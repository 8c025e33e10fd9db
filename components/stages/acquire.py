"""acquire: bring the raw files of one source into data/raw/<source>, in their official layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.acquire.bring import bring, tell_lost
from components.acquire.bucket_root import is_bucket
from components.acquire.parallel import Haul
from components.acquire.place import can_make, find_altered, place_sample
from components.cards import load_card
from components.config import AcquireParams, Params
from components.lineage import QUARANTINE, check_share, write_manifest
from components.raw_files import is_reference
from components.sample.settings import SampleSettings
from components.stages.door import enter

FACTS = ("folders", "files", "source.url", "source.downloads", "source.access")

DECIDE_NOTHING = {"workers", "max_gib"}  # which files there are in the end
OF_SOURCES = {"medline": ("pubmed",), "pmc": ("pmc_oa", "biomed_vital")}  # others read them not


def describe_settings(settings: AcquireParams, source: str) -> dict[str, Any]:
    """The settings that decide what a source holds, for its manifest.

    All that is made of a source is made anew where its manifest is another one.
    """
    foreign = {name for name, sources in OF_SOURCES.items() if source not in sources}
    return settings.model_dump(exclude=DECIDE_NOTHING | foreign)


def run(params: Params, source: str) -> None:
    """Make, copy or download the raw files, and write down what came and what was lost.

    Where the others are made, a data set of the user's own is copied.
    """
    card = load_card(source)
    folder = Path("data/raw") / source
    settings = params.acquire
    is_made = settings.mode == "sample" and can_make(card)
    if is_made:
        sample = SampleSettings(
            num_images=settings.sample_images,
            num_texts=settings.sample_texts,
            image_px=settings.sample_image_px,
            seed=params.seed,
        )
        files = place_sample(card, folder, sample)
        haul = Haul(len(files), files)
    else:
        haul = bring(card, settings, folder)
    is_fetched = settings.mode == "download" or is_bucket(settings.root)
    how = "made" if is_made else "fetched" if is_fetched else "copied"
    told = f"in {folder} ({how})"
    if is_reference(card, folder):
        told = f"left where they are, as access is {card.source.access}: {folder} refers to them"
    print(f"{card.title}: {len(haul.files)} files {told}")
    altered = [] if is_made else find_altered(card, haul.files)
    if altered:
        print(f"not the files whose checksum the holder publishes: {', '.join(altered)}")
    if haul.rejects:
        print(tell_lost(haul.rejects, haul.num_in, folder / QUARANTINE))
    check_share(folder, haul.num_in, haul.rejects, settings.max_quarantined, f"acquire {source}")
    write_manifest(
        folder,
        stage="acquire",
        identity={"source": source},
        settings={**describe_settings(settings, source), "card": card.facts(*FACTS)},
        inputs=[],
        counts={
            "in": haul.num_in,
            "out": haul.num_in - len(haul.rejects),
            "files": len(haul.files),
        },
        rejects=haul.rejects,
        notes={"altered": altered},
        access="" if is_made else card.source.access,
    )


if __name__ == "__main__":
    enter("acquire", run, "source")
