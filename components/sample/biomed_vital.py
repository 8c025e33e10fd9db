"""BioMed-VITAL: one list of conversations about figures, and the figures in images/.

Radiology far outweighs gross pathology, as in the real set. Most answers are a word or two, some
are sentences; a few conversations end with a question, and a few keep the older key for the image.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_json
from components.sample.questions import Asked, ask_about
from components.sample.scenes import Scene, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.words import caption_scene, place_lesions, start_upper

NAME = "BioMed-VITAL-instructions-210K.json"
FIRST_PMID = 91_000_000
WEIGHTS = {"ct": 34, "x-ray": 26, "mri": 24, "histology": 12, "gross": 4}
FLAGS = {
    "x-ray": "chest_xray",
    "mri": "mri",
    "histology": "histology",
    "gross": "gross",
    "ct": "ct_scan",
}
SENTENCES = {
    "side": "The lesion is on the {a} side.",
    "count": "The number of lesions is {a}.",
    "size": "The lesion is {a} in size.",
    "shape": "The lesion is {a} in shape.",
    "shade": "The lesion is {a} in shade.",
    "modality": "The image was taken by {a}.",
}
SENTENCE_SHARE, TOKEN_SHARE, OLD_KEY_EVERY, OPEN_END_EVERY = 0.25, 0.2, 9, 42


def make_biomed_vital(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_images // 2`` conversations and their images; returns every file's path."""
    chance = start_chance(settings.seed, "biomed_vital")
    dice = start_dice(settings.seed, "biomed_vital")
    weighted = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
    scenes = imagine_scenes(weighted, max(1, settings.num_images // 2), chance, normal=0.1)
    paths: list[Path] = []
    records: list[dict[str, Any]] = []
    for number, (scene, asked) in enumerate(
        zip(scenes, ask_about(scenes, list(WEIGHTS), chance), strict=True), 1
    ):
        record = _make_record(number, scene, asked, chance)
        name = record.get("image") or record["imgs"]
        pixels = draw_scene(scene, settings.image_px, dice)
        paths.append(write_image(folder / "images" / name, pixels, "RGB"))
        records.append(record)
    return [*paths, write_json(folder / NAME, records, indent=2)]


def _make_record(
    number: int, scene: Scene, asked: list[Asked], chance: random.Random
) -> dict[str, Any]:
    pmid, figure = str(FIRST_PMID + number), chance.randrange(1, 6)
    pair = f"{pmid}_F{figure}"
    key = "imgs" if number % OLD_KEY_EVERY == 0 else "image"
    return {
        "id": pair if key == "image" else number,
        key: f"{pair}.jpg",
        "domain": {flag: kind == scene.modality for kind, flag in FLAGS.items()},
        "conversations": _converse(number, asked, chance),
        "fig_caption": caption_scene(scene, chance.randrange(3)),
        "fig_id": f"F{figure}",
        "fig_label": f"Figure {figure}",
        "pair_id": pair,
        "pmid": pmid,
        "in_text_mention": [_mention(scene, figure)],
    }


def _converse(number: int, asked: list[Asked], chance: random.Random) -> list[dict[str, str]]:
    """Four or five questions with answers, where there are as many, in random order."""
    turns: list[dict[str, str]] = []
    for question in chance.sample(asked, min(len(asked), chance.choice((4, 5)))):
        turns.append({"from": "human", "value": question.question})
        turns.append({"from": "gpt", "value": _answer(question, chance)})
    if chance.random() < TOKEN_SHARE:
        turns[0]["value"] = f"<image>\n{turns[0]['value']}"
    return turns[:-1] if number % OPEN_END_EVERY == 0 else turns


def _answer(asked: Asked, chance: random.Random) -> str:
    if asked.closed or chance.random() >= SENTENCE_SHARE:
        return start_upper(asked.answer)
    return SENTENCES[asked.kind].format(a=asked.answer)


def _mention(scene: Scene, figure: int) -> dict[str, Any]:
    words = f"The patient had {place_lesions(scene)} [ Figure {figure} ] .".split()
    start = words.index("Figure")
    entity = {
        "type": "figure",
        "entity_id": str(figure),
        "start_tok": start,
        "end_tok": start + 2,
    }
    return {"tokens": " ".join(words), "entities": [entity]}
