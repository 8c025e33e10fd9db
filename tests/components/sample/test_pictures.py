"""Answers, captions and labels follow from what was drawn, and the drawing shows it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lxml import etree

from components.sample.biomed_vital import INVENTED
from components.sample.drawing import draw_scene
from components.sample.questions import CLOSED_FORMS, OPEN_FORMS, ask_about
from components.sample.scenes import (
    COUNTS,
    MODALITIES,
    SHADES,
    SHAPES,
    SIDES,
    SIZES,
    Lesions,
    Scene,
    imagine_scenes,
)
from tests.components.sample.conftest import Camera, Make, read_json, read_lines, read_pixels

WORDS = {1: "one", 2: "two", 3: "three"}
SHOWN = {
    "x-ray": "chest x-ray", "ct": "ct of the abdomen", "mri": "mri of the brain",
    "histology": "histology of the tissue", "fundus": "fundus of the eye",
    "gross": "gross specimen",
}  # fmt: skip
VALUES = (*WORDS.values(), *SIDES, *SIZES, *SHAPES, *SHADES, *MODALITIES)
OPEN = {form.lower(): kind for kind, forms in OPEN_FORMS.items() for form in forms}
CLOSED = {
    form.format(v=value).lower(): (kind, value)
    for kind, forms in CLOSED_FORMS.items()
    for form in forms
    for value in VALUES
}


def describe(scene: Scene) -> dict[str, str]:
    """The truth of a scene in words, by kind of question."""
    facts = {"modality": scene.modality, "presence": "yes" if scene.lesions else "no"}
    if scene.lesions:
        for kind in ("side", "size", "shape", "shade"):
            facts[kind] = getattr(scene.lesions, kind)
        facts["count"] = WORDS[scene.lesions.count]
    return facts


def answer(scene: Scene, question: str) -> str:
    """What the answer must be, from the scene and the words of the question alone."""
    facts, question = describe(scene), question.lower().removeprefix("<image>\n")
    if question in OPEN:
        return facts[OPEN[question]]
    kind, value = CLOSED[question]
    return facts[kind] if kind == "presence" else "yes" if facts[kind] == value else "no"


def read_vqa_rad(folder: Path) -> Iterator[tuple[Path, str, str]]:
    for part in ("trainset", "testset"):
        for row in read_json(folder / f"{part}.json"):
            said = WORDS.get(row["answer"], row["answer"])
            yield folder / "images" / row["image_name"], row["question"], said


def read_slake(folder: Path) -> Iterator[tuple[Path, str, str]]:
    for part in ("train", "validate", "test"):
        for row in read_json(folder / f"{part}.json"):
            if row["q_lang"] == "en":
                yield folder / "imgs" / row["img_name"], row["question"], row["answer"]


def read_pathvqa(folder: Path) -> Iterator[tuple[Path, str, str]]:
    for part in ("train", "test"):
        for row in read_json(folder / f"{part}.json"):
            image = folder / row["image_path"].replace("\\", "/")
            yield image, row["question"], row["answer"]


def read_biomed_vital(folder: Path) -> Iterator[tuple[Path, str, str]]:
    for record in read_json(folder / "BioMed-VITAL-instructions-210K.json"):
        turns, image = record["conversations"], folder / "images" / f"{record['pair_id']}.jpg"
        for human, gpt in zip(turns[::2], turns[1::2], strict=False):
            said = re.sub(rf"^(?:{'|'.join(map(re.escape, INVENTED))}) ", "", gpt["value"])
            if image.is_file():
                yield image, human["value"], said


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("vqa_rad", read_vqa_rad),
        ("slake", read_slake),
        ("pathvqa", read_pathvqa),
        ("biomed_vital", read_biomed_vital),
    ],
)
def test_every_answer_follows_from_its_picture(
    make: Make, camera: Camera, name: str, read: Any
) -> None:
    folder, kinds = make(name, num_images=90), Counter[str]()
    for image, question, said in read(folder):
        truth = answer(camera.scene(image), question)
        assert truth in said.lower().rstrip(".").split(), (image, question)
        assert said.lower() == truth or said.endswith(f"{truth}.") or " is " in said
        kinds[truth] += 1
    assert sum(kinds.values()) > 180 and {"yes", "no", "left", "right", "two"} <= set(kinds)


def test_chinese_questions_of_slake_ask_for_the_side(make: Make, camera: Camera) -> None:
    folder = make("slake")
    rows = [row for row in read_json(folder / "train.json") if row["q_lang"] == "zh"]
    assert rows
    for row in rows:
        scene = camera.scene(folder / "imgs" / row["img_name"])
        assert row["answer"] == {"left": "左侧", "right": "右侧"}[describe(scene)["side"]]


def test_a_conversation_without_a_reply_ends_every_forty_second(make: Make, camera: Camera) -> None:
    records = read_json(make("biomed_vital", num_images=84) / "BioMed-VITAL-instructions-210K.json")
    odd = [n for n, record in enumerate(records, 1) if len(record["conversations"]) % 2]
    assert odd == [42]


def check_caption(caption: str, scene: Scene) -> None:
    """The caption names what the scene has, and nothing that it has not."""
    facts, words = describe(scene), re.findall(r"[\w-]+", caption.lower())
    assert SHOWN[scene.modality] in caption.lower()
    told = {facts[kind] for kind in ("count", "side", "size", "shape", "shade") if kind in facts}
    others = {value for value in VALUES if value not in MODALITIES} - told
    assert told <= set(words) and not others & set(words), (caption, scene)
    assert ("no lesion" in caption.lower()) == (scene.lesions is None)


def test_captions_of_medpix(make: Make, camera: Camera) -> None:
    top = make("medpix", num_images=60) / "MedPix-2-0"
    rows = read_json(top / "Descriptions.json")
    assert len(rows) == 60
    parts = [top / f"splitted_dataset/descriptions_{p}.jsonl" for p in ("train", "dev", "test")]
    assert [row for part in parts for row in read_lines(part)] == rows
    for row in rows:
        scene = camera.scene(top / "images" / f"{row['image']}.png")
        check_caption(row["Description"]["Caption"], scene)
        assert row["Type"] == {"ct": "CT", "mri": "MR"}[scene.modality]
        assert row["image"].startswith(row["U_id"])


def test_cases_of_medpix_name_their_pictures(make: Make) -> None:
    top = make("medpix") / "MedPix-2-0"
    rows, cases = read_json(top / "Descriptions.json"), read_json(top / "Case_topic.json")
    named = {image: ("CT", case["U_id"]) for case in cases for image in case["TAC"]}
    named |= {image: ("MR", case["U_id"]) for case in cases for image in case["MRI"]}
    assert named == {row["image"]: (row["Type"], row["U_id"]) for row in rows}


def test_captions_of_printed_figures(make: Make, camera: Camera) -> None:
    num = 0
    for path in sorted(make("pmc_oa", num_images=8).rglob("*.xml")):
        for figure in etree.parse(str(path)).iter("fig"):
            graphic, (caption,) = figure.find("graphic"), figure.findall("caption/p")
            assert graphic is not None
            image = path.parent / str(next(iter(graphic.attrib.values())))
            check_caption(caption.text or "", camera.scene(image))
            num += 1
    assert num > 8


def test_reports_follow_from_their_films(make: Make, camera: Camera) -> None:
    folder, pairs, shown = make("iu_xray", num_images=60), 0, set()
    for path in (folder / "ecgen-radiology").iterdir():
        report = etree.parse(str(path))
        parts = {node.get("Label"): node.text or "" for node in report.iter("AbstractText")}
        films = [node.get("id") or "" for node in report.iter("parentImage")]
        scenes = [camera.scene(folder / "NLMCXR_png" / f"{film}.png") for film in films]
        assert scenes == [scenes[0]] * len(films)
        found, heart = parts["FINDINGS"].split(". ")
        check_caption(f"{found} chest x-ray", scenes[0])
        assert ("enlarged" in heart) == scenes[0].big_heart
        side = f"{describe(scenes[0]).get('side')} lung"
        assert (side in parts["IMPRESSION"]) == (scenes[0].lesions is not None)
        assert ("large heart" in parts["IMPRESSION"].lower()) == scenes[0].big_heart
        pairs += len(films) == 2
        shown.add(scenes[0])
    assert pairs == 10 and len(shown) > 30


def test_labels_follow_from_films_and_tissue(make: Make, camera: Camera) -> None:
    labels: list[int] = []
    for name in ("pneumoniamnist", "pathmnist"):
        with np.load(make(name, name) / f"{name}.npz") as arrays:
            for split in ("train", "val", "test"):
                images, truths = arrays[f"{split}_images"], arrays[f"{split}_labels"][:, 0]
                for image, label in zip(images, truths, strict=True):
                    shown = camera.look(image)
                    if isinstance(shown, Scene):
                        shown = int(shown.lesions is not None)
                    assert label == shown
                    labels.append(int(label))
    assert set(labels[:24]) == {0, 1} and len(set(labels[24:])) == 9


def test_nobody_gains_by_answering_without_looking() -> None:
    chance = random.Random(5)
    scenes = imagine_scenes(MODALITIES, 400, chance, normal=0.15)
    said: dict[tuple[str, bool], Counter[str]] = {}
    for scene, asked in zip(scenes, ask_about(scenes, MODALITIES, chance), strict=True):
        for question in asked:
            assert question.answer == answer(scene, question.question)
            key = question.kind, question.closed
            said.setdefault(key, Counter())[question.answer] += 1
    for (kind, closed), answers in said.items():
        best = max(answers.values()) / sum(answers.values())
        assert best < 1 / len(answers) + 0.06, (kind, closed, answers)
    assert set(said) == {(kind, False) for kind in OPEN_FORMS} | {(k, True) for k in CLOSED_FORMS}


def test_attributes_of_scenes_are_even() -> None:
    scenes = imagine_scenes(MODALITIES, 120, random.Random(1), normal=0.1)
    lesions = [scene.lesions for scene in scenes if scene.lesions]
    assert len(lesions) == 108
    assert Counter(lesion.side for lesion in lesions) == dict.fromkeys(SIDES, 54)
    assert Counter(lesion.count for lesion in lesions) == dict.fromkeys(COUNTS, 36)
    assert Counter(lesion.shape for lesion in lesions) == dict.fromkeys(SHAPES, 36)
    assert Counter(scene.modality for scene in scenes) == dict.fromkeys(MODALITIES, 20)


def average(scene: Scene) -> Any:
    """The mean grey of a dozen pictures of one scene."""
    pictures = [draw_scene(scene, 32, np.random.default_rng(seed)) for seed in range(12)]
    return np.mean([p.mean(-1) if p.ndim == 3 else p for p in pictures], axis=0)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize(("shade", "sign"), [("bright", 1), ("dark", -1)])
def test_lesions_are_seen_on_their_side_and_in_their_shade(
    modality: str, shade: str, sign: int
) -> None:
    left, right = (
        average(Scene(modality, Lesions(2, side, "large", "round", shade))) for side in SIDES
    )
    gain = sign * (left - right)
    assert gain[:, :16].mean() > 2 and gain[:, 16:].mean() < -2


@pytest.mark.parametrize("modality", MODALITIES)
def test_more_and_larger_lesions_cover_more(modality: str) -> None:
    steps = [Lesions(n, "left", size, "round", "dark") for n, size in
             ((1, "small"), (1, "large"), (2, "large"), (3, "large"))]  # fmt: skip
    greys = [average(Scene(modality, lesions))[:, :16].mean() for lesions in steps]
    assert greys == sorted(greys, reverse=True)
    assert greys[0] - greys[-1] > 4


def test_a_big_heart_is_seen() -> None:
    small, big = (average(Scene("x-ray", None, heart)) for heart in (False, True))
    assert (big - small)[22:30].mean() > 2


def test_two_films_of_one_chest_are_not_one_picture(make: Make) -> None:
    films = sorted((make("iu_xray") / "NLMCXR_png").glob("CXR5_*.png"))
    assert len(films) == 2
    assert not np.array_equal(read_pixels(films[0]), read_pixels(films[1]))
