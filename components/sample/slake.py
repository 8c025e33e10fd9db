"""SLAKE: train.json, validate.json, test.json, and imgs/xmlabN/source.jpg; English and Chinese.

One picture with lesions in three is asked about in Chinese; for the Chinese part, each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_json
from components.sample.questions import Asked, ask_about
from components.sample.scenes import Scene, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.words import start_upper

MODALITIES = ("x-ray", "ct", "mri")
LOCATIONS = {"x-ray": "Lung", "ct": "Abdomen", "mri": "Brain_Tissue"}
KINDS = {"x-ray": "X-Ray", "ct": "CT", "mri": "MRI"}
CONTENT_TYPES = {
    "side": "Position",
    "count": "Quantity",
    "size": "Size",
    "shape": "Shape",
    "shade": "Color",
    "modality": "Modality",
    "presence": "Abnormality",
}
CHINESE_SIDE = {"left": "左侧", "right": "右侧"}
FILES = {"train": "train.json", "validation": "validate.json", "test": "test.json"}


def make_slake(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write the three question files and the images; returns every file's path."""
    return _make_files(folder, settings, chinese_every=3)


def make_slake_zh(folder: Path, settings: SampleSettings) -> list[Path]:
    """As ``make_slake``, with as many Chinese questions as there are pictures with lesions."""
    return _make_files(folder, settings, chinese_every=1)


def _make_files(folder: Path, settings: SampleSettings, chinese_every: int) -> list[Path]:
    chance, dice = start_chance(settings.seed, "slake"), start_dice(settings.seed, "slake")
    paths: list[Path] = []
    qid = 0
    for split, numbers in cut_splits(settings.num_images).items():
        scenes = imagine_scenes(MODALITIES, len(numbers), chance, normal=0.15)
        rows: list[dict[str, Any]] = []
        for number, scene, asked in zip(
            numbers, scenes, ask_about(scenes, MODALITIES, chance), strict=True
        ):
            image = folder / "imgs" / f"xmlab{number}" / "source.jpg"
            paths.append(write_image(image, draw_scene(scene, settings.image_px, dice), "RGB"))
            for row in _as_rows(number, scene, asked, chinese_every):
                row["qid"] = qid
                qid += 1
                # the real files do not keep one order of keys
                rows.append(dict(sorted(row.items())) if chance.random() < 0.3 else row)
        paths.append(write_json(folder / FILES[split], rows, ascii_only=False))
    return paths


def _as_rows(
    number: int, scene: Scene, asked: list[Asked], chinese_every: int
) -> Iterator[dict[str, Any]]:
    for question in asked:
        answer = KINDS[scene.modality] if _names_modality(question) else question.answer
        yield _as_row(
            number,
            scene,
            question,
            question=question.question,
            answer=start_upper(answer),
            language="en",
        )
    if scene.lesions and number % chinese_every == 0:
        asked_side = Asked("", "", "side", closed=False, form=0)
        yield _as_row(
            number,
            scene,
            asked_side,
            question="病变在图像的哪一侧?",
            answer=CHINESE_SIDE[scene.lesions.side],
            language="zh",
        )


def _names_modality(asked: Asked) -> bool:
    return asked.kind == "modality" and not asked.closed


def _as_row(
    number: int, scene: Scene, asked: Asked, *, question: str, answer: str, language: str
) -> dict[str, Any]:
    return {
        "img_id": number,
        "img_name": f"xmlab{number}/source.jpg",
        "question": question,
        "answer": answer,
        "q_lang": language,
        "location": LOCATIONS[scene.modality],
        "modality": KINDS[scene.modality],
        "answer_type": "CLOSED" if asked.closed else "OPEN",
        "base_type": "vqa",
        "content_type": CONTENT_TYPES[asked.kind],
        "triple": ["vhead", "_", "_"],
    }
