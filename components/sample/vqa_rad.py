"""VQA-RAD as the MEVF split hands it on: trainset.json, testset.json and images/*.jpg.

Unlike in the real set, no image of the test questions occurs among the training images, so that
remembering images does not help.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_json
from components.sample.questions import Asked, ask_about
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.words import start_upper

MODALITIES = ("x-ray", "ct", "mri")
ORGANS = {"x-ray": "CHEST", "ct": "ABD", "mri": "HEAD"}
QUESTION_TYPES = {
    "side": "POS",
    "count": "COUNT",
    "size": "SIZE",
    "shape": "ATTRIB",
    "shade": "COLOR",
    "modality": "MODALITY",
    "presence": "PRES",
}
TEST_SHARE = 0.15
INTEGER_EVERY, SPACE_EVERY = 300, 900  # the real files hold a few of each


def make_vqa_rad(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write the two question files and the images; returns every file's path."""
    chance, dice = start_chance(settings.seed, "vqa_rad"), start_dice(settings.seed, "vqa_rad")
    num_test = max(1, round(settings.num_images * TEST_SHARE))
    numbers = chance.sample(range(10000, 70000), settings.num_images)
    paths: list[Path] = []
    qid = 0
    for name, start, stop in (
        ("trainset", num_test, settings.num_images),
        ("testset", 0, num_test),
    ):
        scenes = imagine_scenes(MODALITIES, stop - start, chance, normal=0.15)
        rows: list[dict[str, Any]] = []
        for scene, number, asked in zip(
            scenes, numbers[start:stop], ask_about(scenes, MODALITIES, chance), strict=True
        ):
            image_name = f"synpic{number}.jpg"
            pixels = draw_scene(scene, settings.image_px, dice)
            paths.append(write_image(folder / "images" / image_name, pixels, "RGB"))
            for question in asked:
                qid += 1
                rows.append(_as_row(qid, image_name, ORGANS[scene.modality], question))
        if name == "trainset":
            _add_oddities(rows)
        chance.shuffle(rows)
        paths.append(write_json(folder / f"{name}.json", rows, indent=2))
    return paths


def _as_row(qid: int, image_name: str, organ: str, asked: Asked) -> dict[str, Any]:
    # the real answers come in upper and lower case
    answer = start_upper(asked.answer) if qid % 2 else asked.answer
    return {
        "qid": qid,
        "image_name": image_name,
        "image_organ": organ,
        "answer": answer,
        "answer_type": "CLOSED" if asked.closed else "OPEN",
        "question_type": QUESTION_TYPES[asked.kind],
        "question": asked.question,
        "phrase_type": ("freeform", "para")[asked.form],
    }


def _add_oddities(rows: list[dict[str, Any]]) -> None:
    """A few whole numbers for answers, and a few answer types with a space at the end."""
    numbers = {"one": 1, "two": 2, "three": 3}
    counted = [row for row in rows if str(row["answer"]).lower() in numbers]
    for row in counted[:: max(1, INTEGER_EVERY // 6)]:
        row["answer"] = numbers[row["answer"].lower()]
    closed = [row for row in rows if row["answer_type"] == "CLOSED"]
    for row in closed[::SPACE_EVERY]:
        row["answer_type"] = "CLOSED "
