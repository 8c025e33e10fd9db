"""Leaks planted in the sample world: training material made from test items, and a ledger of it.

Nothing here is part of a run. Tests plant it in a folder of raw files that the sample world made,
and hold the audit to the ledger.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance, ImageOps

from components.lineage import hash_file

Change = Callable[[Image.Image], Image.Image]
CHANGE_EVERY = 9  # of a text's words one in so many is another one in its near copy
MAX_CHANGED = 3


@dataclass(frozen=True, slots=True)
class Leak:
    """What the audit must find: of which kind, how it was made, and where.

    ``known_by`` is the sha256 of the test item's image, or words of its text or name.
    """

    kind: str
    how: str
    test: str
    known_by: str
    train: str


def _compress(image: Image.Image) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=40)
    return Image.open(content).convert("RGB")


def _cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))


# What copies of an image go through on their way from a benchmark to a corpus.
CHANGES: dict[str, Change] = {
    "recompressed": _compress,
    "resized": lambda image: image.resize((image.width * 3 // 4, image.height * 3 // 4)),
    "stretched": lambda image: image.resize((image.width, image.height * 7 // 8)),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "cropped": lambda image: _cut(image, 0.05, 0.05, 0.05, 0.05),
    "cropped on one side": lambda image: _cut(image, 0.08, 0, 0, 0),
    "padded": lambda image: ImageOps.expand(image, image.width // 10),
    "mirrored": ImageOps.mirror,
    "several at once": lambda image: _compress(
        ImageEnhance.Brightness(_cut(ImageOps.mirror(image), 0.03, 0.03, 0.03, 0.03)).enhance(1.1)
    ),
}


def plant_leaks(raw: Path) -> list[Leak]:
    """Change raw files of VQA-RAD, SLAKE, MedNLI, PubMedQA, ROCO, PMC and BioMed-VITAL.

    ``raw`` holds a folder for each. Returns the ledger.
    """
    return [
        *_plant_images(raw),
        *_plant_pair(raw / "vqa_rad"),
        *_plant_texts(raw),
        *_plant_documents(raw),
    ]


def _plant_images(raw: Path) -> list[Leak]:
    """Test images of VQA-RAD, changed, in the place of training images of four sources."""
    rows = json.loads((raw / "vqa_rad/testset.json").read_text())
    names = sorted({row["image_name"] for row in rows})
    tests = iter([raw / "vqa_rad/images" / name for name in names])
    learnt = {row["image_name"] for row in json.loads((raw / "vqa_rad/trainset.json").read_text())}
    places = {
        "slake": _list_trained(raw / "slake"),
        "vqa_rad": [raw / "vqa_rad/images" / name for name in sorted(learnt)],
        "biomed_vital": sorted((raw / "biomed_vital/images").iterdir()),
        # from the end: of the first articles one is retracted, and one has a later version
        "pmc_oa": sorted((raw / "pmc_oa").rglob("*.jpg"), reverse=True),
    }
    leaks = []
    for number, (how, change) in enumerate(CHANGES.items()):
        train = list(places)[number % len(places)]
        test, place = next(tests), places[train][number]
        change(Image.open(test).convert("RGB")).save(place, "JPEG", quality=92)
        leaks.append(Leak("similar_image", how, "vqa_rad", hash_file(test), train))
    test = next(tests)
    places["slake"][-1].write_bytes(test.read_bytes())
    leaks.append(Leak("same_image", "equal", "vqa_rad", hash_file(test), "slake"))
    test, place = next(tests), places["slake"][-2]
    CHANGES["cropped"](Image.open(place)).save(test, "JPEG", quality=92)
    leaks.append(Leak("similar_image", "test is cropped", "vqa_rad", hash_file(test), "slake"))
    return leaks


def _list_trained(slake: Path) -> list[Path]:
    rows = json.loads((slake / "train.json").read_text())
    return [slake / "imgs" / name for name in sorted({row["img_name"] for row in rows})]


def _plant_pair(folder: Path) -> list[Leak]:
    tests, trains = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("testset", "trainset")
    )
    row = tests[0]
    asked = {**row, "question": row["question"].upper(), "qid": 900_001}
    (folder / "trainset.json").write_text(json.dumps([*trains, asked]))
    known_by = hash_file(folder / "images" / row["image_name"])
    return [Leak("same_pair", "in capital letters", "vqa_rad", known_by, "vqa_rad")]


def _plant_texts(raw: Path) -> list[Leak]:
    """A test pair of MedNLI and a premise of one; contexts of PubMedQA in three places."""
    nli = raw / "mednli"
    tests = [json.loads(line) for line in (nli / "mli_test_v1.jsonl").read_text().splitlines()]
    with (nli / "mli_train_v1.jsonl").open("a") as train:
        train.write(json.dumps({**tests[0], "pairID": "copied"}) + "\n")
        other = {"sentence2": "The patient has come back.", "gold_label": "neutral"}
        train.write(json.dumps({**tests[-1], **other, "pairID": "premise"}) + "\n")
    records, held = _read_questions(raw / "pubmedqa")
    contexts = [" ".join(records[pmid]["CONTEXTS"]) for pmid in held[:3]]
    trained = next(pmid for pmid in records if pmid not in held)
    records[trained]["CONTEXTS"] = [change_words(contexts[0])]
    records[trained]["QUESTION"] = records[held[0]]["QUESTION"]
    _write_questions(raw / "pubmedqa", records)
    _say_in_conversation(raw / "biomed_vital", contexts[1])
    article = sorted((raw / "pmc_oa").rglob("*.xml"))[-1]
    text = article.read_text()
    article.write_text(text.replace("</p>", f" {contexts[2]}</p>", 1))
    return [
        Leak("same_text", "equal", "mednli", tests[0]["sentence2"], "mednli"),
        Leak("same_group", "same premise", "mednli", tests[-1]["sentence1"], "mednli"),
        Leak("near_text", "words changed", "pubmedqa", held[0], "pubmedqa"),
        Leak("near_text", "within a reply", "pubmedqa", held[1], "biomed_vital"),
        Leak("near_text", "within an article", "pubmedqa", held[2], "pmc_oa"),
    ]


def change_words(text: str) -> str:
    """The text with up to MAX_CHANGED of its words changed, one in CHANGE_EVERY."""
    words = text.split()
    for place in range(CHANGE_EVERY, len(words), CHANGE_EVERY)[:MAX_CHANGED]:
        words[place] = "otherwise"
    return " ".join(words)


def _say_in_conversation(folder: Path, text: str) -> None:
    path = folder / "BioMed-VITAL-instructions-210K.json"
    conversations = json.loads(path.read_text())
    conversations[2]["conversations"][1]["value"] = f"As was written elsewhere: {text}"
    path.write_text(json.dumps(conversations))


def _plant_documents(raw: Path) -> list[Leak]:
    """Test questions about articles of PMC and of a conversation; a test figure of PMC's."""
    records, held = _read_questions(raw / "pubmedqa")
    article = json.loads(sorted((raw / "pmc_oa").rglob("*.json"))[-2].read_text())
    path = raw / "biomed_vital/BioMed-VITAL-instructions-210K.json"
    pmid = json.loads(path.read_text())[5]["pmid"]
    new_names = dict(zip(held[3:5], (str(article["pmid"]), pmid), strict=True))
    _write_questions(raw / "pubmedqa", {new_names.get(k, k): v for k, v in records.items()})
    truth_path = raw / "pubmedqa/data/test_ground_truth.json"
    truth = json.loads(truth_path.read_text())
    truth_path.write_text(json.dumps({new_names.get(k, k): v for k, v in truth.items()}))
    licences = raw / "roco/data/test/radiology/licences.txt"
    head, first, *rest = licences.read_text().splitlines()
    name, figure, licence = first.split(",")
    figure = f"{article['pmcid']}_{figure.partition('_')[2]}"
    licences.write_text("\n".join([head, f"{name},{figure},{licence}", *rest]) + "\n")
    return [
        Leak("same_document", "PMID", "pubmedqa", str(article["pmid"]), "pmc_oa"),
        Leak("same_document", "PMID of a conversation", "pubmedqa", pmid, "biomed_vital"),
        Leak("same_document", "PMCID", "roco", article["pmcid"], "pmc_oa"),
    ]


def _read_questions(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """PubMedQA's records, and the PMIDs of the test in order."""
    records = json.loads((folder / "data/ori_pqal.json").read_text())
    return records, sorted(json.loads((folder / "data/test_ground_truth.json").read_text()))


def _write_questions(folder: Path, records: dict[str, Any]) -> None:
    (folder / "data/ori_pqal.json").write_text(json.dumps(records))
