"""NLM's two sets of chest films, whose names end with 1 where there is tuberculosis."""

from __future__ import annotations

from pathlib import Path

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_text
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings


def make_sz_cxr(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ChinaSet_AllFiles: films and their readings; returns every file's path."""
    return _make_films("sz_cxr", folder / "ChinaSet_AllFiles", "CHNCXR", settings)


def make_mc_cxr(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write MontgomerySet: films and their readings; returns every file's path."""
    return _make_films("mc_cxr", folder / "MontgomerySet", "MCUCXR", settings)


def _make_films(name: str, folder: Path, prefix: str, settings: SampleSettings) -> list[Path]:
    chance, dice = start_chance(settings.seed, name), start_dice(settings.seed, name)
    paths: list[Path] = []
    scenes = imagine_scenes(["x-ray"], settings.num_images, chance, normal=0.5)
    for number, scene in enumerate(scenes, start=1):
        film = f"{prefix}_{number:04d}_{int(scene.lesions is not None)}"
        pixels = draw_scene(scene, settings.image_px, dice)
        paths.append(write_image(folder / "CXR_png" / f"{film}.png", pixels))
        finding = "tuberculosis" if scene.lesions else "normal"
        reading = (
            f"Patient's Sex: {chance.choice('FM')}\nPatient's Age: 0{chance.randrange(20, 90)}Y"
        )
        text = f"{reading}\n{finding}\n"
        paths.append(write_text(folder / "ClinicalReadings" / f"{film}.txt", text))
    return paths
