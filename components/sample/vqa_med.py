"""VQA-Med 2019: lines of image|question|answer, and a folder of images for each split.

The test file also names what is asked, and some of its questions have several right answers.
"""

from __future__ import annotations

from pathlib import Path

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_text
from components.sample.questions import Asked, ask_about
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits

MODALITIES = ("x-ray", "ct", "mri")
PLACES = {
    "train": ("ImageClef-2019-VQA-Med-Training/All_QA_Pairs_train.txt", "Train_images"),
    "validation": ("ImageClef-2019-VQA-Med-Validation/All_QA_Pairs_val.txt", "Val_images"),
    "test": (
        "VQAMed2019Test/VQAMed2019_Test_Questions_w_Ref_Answers.txt",
        "VQAMed2019_Test_Images",
    ),
}
KINDS = {"modality": "modality", "side": "plane", "presence": "abnormality"}
SYNONYMS = {"bright": "bright#light", "round": "round#circular"}


def make_vqa_med_2019(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write the three question files and the images; returns every file's path."""
    chance = start_chance(settings.seed, "vqa_med_2019")
    dice = start_dice(settings.seed, "vqa_med_2019")
    names = iter(chance.sample(range(10000, 70000), settings.num_images))
    paths: list[Path] = []
    for split, numbers in cut_splits(settings.num_images).items():
        file, images = PLACES[split]
        scenes = imagine_scenes(MODALITIES, len(numbers), chance, normal=0.15)
        lines: list[str] = []
        for scene, asked in zip(scenes, ask_about(scenes, MODALITIES, chance), strict=True):
            name = f"synpic{next(names)}"
            pixels = draw_scene(scene, settings.image_px, dice)
            place = (folder / file).parent / images / f"{name}.jpg"
            paths.append(write_image(place, pixels, "RGB"))
            lines += [_as_line(name, question, split == "test") for question in asked]
        paths.append(write_text(folder / file, "".join(lines)))
    return paths


def _as_line(name: str, asked: Asked, is_test: bool) -> str:
    question = asked.question.lower()
    if not is_test:
        return f"{name}|{question}|{asked.answer}\n"
    answer = SYNONYMS.get(asked.answer, asked.answer)
    return f"{name}|{KINDS.get(asked.kind, 'organ')}|{question}|{answer}\n"
