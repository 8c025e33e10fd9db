"""PEIR Gross as bioCaption leaves it: two TSV files without a header, and a folder of pictures."""

from __future__ import annotations

from pathlib import Path

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_text
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.words import caption_scene

TEST_SHARE = 0.10
TAB_EVERY = 9  # some of the real descriptions hold a tab


def make_peir_gross(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write both files and the pictures; returns every file's path."""
    chance, dice = (
        start_chance(settings.seed, "peir_gross"),
        start_dice(settings.seed, "peir_gross"),
    )
    num_test = max(1, round(settings.num_images * TEST_SHARE))
    numbers = iter(chance.sample(range(100000, 700000), settings.num_images))
    paths: list[Path] = []
    for split, num in (("train", settings.num_images - num_test), ("test", num_test)):
        lines: list[str] = []
        for scene in imagine_scenes(["gross"], num, chance, normal=0.1):
            name = f"{next(numbers):08d}.jpg"
            pixels = draw_scene(scene, settings.image_px, dice)
            paths.append(write_image(folder / "peir_gross_images" / name, pixels, "RGB"))
            caption = f"GROSS: {caption_scene(scene, chance.randrange(3))}"
            if len(lines) % TAB_EVERY == 1:
                caption = caption.replace(": ", ":\t", 1)
            lines.append(f"{name}\t{caption}\n")
        paths.append(write_text(folder / f"{split}_images.tsv", "".join(lines)))
    return paths
