"""PathVQA as a list of questions with image paths in Windows style, one file to each question.

An image that is asked about twice lies there twice. One picture in seven is CMYK, as in the real
set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.sample.drawing import draw_scene
from components.sample.encode import (
    encode_image,
    start_chance,
    start_dice,
    write_bytes,
    write_json,
)
from components.sample.questions import ask_about
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings

MODALITIES = ("histology", "gross")
QUESTION_TYPES = {"side": "POSITION", "size": "SIZE"}
TEST_SHARE = 0.15
CMYK_EVERY = 7


def make_pathvqa(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write train.json, test.json and images/<split>/*.jpg; returns every file's path."""
    chance, dice = start_chance(settings.seed, "pathvqa"), start_dice(settings.seed, "pathvqa")
    num_test = max(1, round(settings.num_images * TEST_SHARE))
    paths: list[Path] = []
    number = 0
    for split, num in (("train", settings.num_images - num_test), ("test", num_test)):
        scenes = imagine_scenes(MODALITIES, num, chance, normal=0.15)
        rows: list[dict[str, Any]] = []
        for scene, asked in zip(scenes, ask_about(scenes, MODALITIES, chance), strict=True):
            mode = "CMYK" if len(rows) % CMYK_EVERY == 0 else "RGB"
            content = encode_image(draw_scene(scene, settings.image_px, dice), "JPEG", mode)
            for question in asked:
                name = f"pathvqa_{number:05d}.jpg"
                number += 1
                paths.append(write_bytes(folder / "images" / split / name, content))
                kind = "YESNO" if question.closed else QUESTION_TYPES.get(question.kind)
                rows.append({
                    "image_path": f"images\\{split}\\{name}",
                    "question": question.question.lower(),
                    "answer": question.answer,
                    "question_type": kind or "ATTRIBUTE",
                    "answer_type": "CLOSED" if question.closed else "OPEN",
                })  # fmt: skip
        paths.append(write_json(folder / f"{split}.json", rows, indent=2))
    return paths
