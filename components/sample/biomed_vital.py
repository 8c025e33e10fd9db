"""BioMed-VITAL: lists of conversations about figures in four parts, and the figures in images/.

Radiology far outweighs gross pathology, as in the real set. Most answers are a word or two, some
are sentences. The parts hold each other's records as the published ones do, and the smallest holds
one twice. In a few records something is as it is in some real file: the conversation ends with a
question, the image stands under the older key, in a list, beside another one, or is not there, the
flags name no modality or two, and a reply asserts what no one drew.
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

NAME = "BioMed-VITAL-instructions-{part}.json"
PARTS = {"80K": (0.0, 0.38), "150K": (0.0, 0.72), "60K": (0.72, 1.0), "210K": (0.0, 1.0)}
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
INVENTED = ("There is a fracture.", "The largest measures 34 mm.", "A pneumothorax is seen.")
INVENTED_EVERY, LIST_EVERY, LOST_EVERY, ODD_FLAGS_EVERY = 25, 16, 60, 40


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
        pixels = draw_scene(scene, settings.image_px, dice)
        if number % LOST_EVERY != LOST_EVERY // 2:
            name = f"{record['pair_id']}.jpg"
            paths.append(write_image(folder / "images" / name, pixels, "RGB"))
        records.append(record)
    return [*paths, *_write_parts(folder, records)]


def _write_parts(folder: Path, records: list[dict[str, Any]]) -> list[Path]:
    paths = []
    for part, (first, last) in PARTS.items():
        held = records[int(first * len(records)) : max(int(last * len(records)), 1)]
        repeated = held[:1] if part == "60K" else []
        path = folder / NAME.format(part=part)
        paths.append(write_json(path, [*held, *repeated], indent=2))
    return paths


def _make_record(
    number: int, scene: Scene, asked: list[Asked], chance: random.Random
) -> dict[str, Any]:
    pmid, figure = str(FIRST_PMID + number), chance.randrange(1, 6)
    pair = f"{pmid}_F{figure}"
    key = "imgs" if number % OLD_KEY_EVERY == 0 else "image"
    record = {
        "id": pair if key == "image" else number,
        key: _name_image(number, pair),
        "domain": _raise_flags(number, scene),
        "conversations": _converse(number, asked, chance),
        "fig_caption": caption_scene(scene, chance.randrange(3)),
        "fig_id": f"F{figure}",
        "fig_label": f"Figure {figure}",
        "pair_id": pair,
        "pmid": pmid,
        "in_text_mention": [_mention(scene, figure)],
    }
    if number % ODD_FLAGS_EVERY == 5:
        del record["domain"]
    return record


def _name_image(number: int, pair: str) -> str | list[str]:
    """The image's name; in a list now and then, every other time beside another one's."""
    name = f"{pair}.jpg"
    if number % LIST_EVERY:
        return name
    return [name, f"{pair}b.jpg"] if number % (2 * LIST_EVERY) else [name]


def _raise_flags(number: int, scene: Scene) -> dict[str, bool]:
    """The flag of the picture's kind; now and then none of them, or that of gross pathology too."""
    flags = {flag: kind == scene.modality for kind, flag in FLAGS.items()}
    if number % ODD_FLAGS_EVERY == 6:
        return dict.fromkeys(flags, False)
    return flags | {"gross": True} if number % ODD_FLAGS_EVERY == 7 else flags


def _converse(number: int, asked: list[Asked], chance: random.Random) -> list[dict[str, str]]:
    """Four or five questions with answers, where there are as many, in random order."""
    turns: list[dict[str, str]] = []
    for question in chance.sample(asked, min(len(asked), chance.choice((4, 5)))):
        turns.append({"from": "human", "value": question.question})
        turns.append({"from": "gpt", "value": _answer(question, chance)})
    if number % INVENTED_EVERY == 0:
        turns[1]["value"] = (
            f"{INVENTED[number // INVENTED_EVERY % len(INVENTED)]} {turns[1]['value']}"
        )
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
