"""MediCaT: figures of articles, and one JSON object for each."""

from __future__ import annotations

from pathlib import Path

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_json_lines
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.words import caption_scene

MODALITIES = ("x-ray", "ct", "mri", "histology")
TABLE = "s2_full_figures_oa_nonroco_combined_medical_top4_public.jsonl"


def make_medicat(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write the figures and their objects; returns every file's path."""
    chance, dice = start_chance(settings.seed, "medicat"), start_dice(settings.seed, "medicat")
    scenes = imagine_scenes(MODALITIES, settings.num_images, chance, normal=0.1)
    paths, records = [], []
    for number, scene in enumerate(scenes, start=1):
        article, figure = f"{chance.getrandbits(160):040x}", f"{number % 9 + 1}-Figure1-1.png"
        pixels = draw_scene(scene, settings.image_px, dice)
        paths.append(write_image(folder / "figures" / f"{article}_{figure}", pixels))
        records.append({
            "pdf_hash": article,
            "fig_uri": figure,
            "fig_key": "Figure1",
            "s2_caption": f"Figure 1. {caption_scene(scene, chance.randrange(3))}",
            "s2orc_caption": None,
            "s2orc_references": None,
            "radiology": scene.modality != "histology",
            "oa_info": {"oa_status": "gold", "license": "cc-by"},
        })  # fmt: skip
    return [*paths, write_json_lines(folder / TABLE, records)]
