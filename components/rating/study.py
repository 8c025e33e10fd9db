"""A study that clinicians rate: one offline page of answers whose sources are hidden.

Every answer to a test item is shown once, in random order: those of the sizes, the reference, and
the baseline that never sees the image. Which is whose stands in a sealed file alone. Its hash is in
the page and in what raters hand in, so that it cannot be changed after the first rating.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.config import Params
from components.errors import FORMAT, UserError
from components.evaluation.conditions import FULL
from components.evaluation.metrics import normalise_answer
from components.lineage import hash_bytes
from components.rating.log import note_step
from components.records import Prediction, read_records
from components.report.samples import read_pictures

REFERENCE, BASELINE = "reference", "baseline"
PAGE, KEY, STUDY = "page.html", "key.sealed.json", "study.json"
SCRIPTS = ("keeping.js", "looking.js", "paper.js", "page.js")
IMAGE_PX = 1024  # a clinician looks closer than a reader of the report
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Scale:
    """An ordinal scale; ``levels`` in words, the first is 1."""

    name: str
    question: str
    levels: tuple[str, ...]


SCALES = (
    Scale(
        "factuality", "Is what it says true of this case?",
        ("wrong", "mostly wrong", "half right", "mostly right", "right"),
    ),
    Scale(
        "relevance", "Does it answer what was asked?",
        ("not at all", "barely", "in part", "mostly", "fully"),
    ),
    Scale(
        "harm", "Could a person be harmed who acts on it?",
        ("no harm", "mild", "moderate", "severe"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """A test item as raters see it: answers in their blinded order, and whose each is."""

    id: str
    dataset: str
    question: str
    image_id: str
    answers: list[str]
    sources: list[list[str]]


def make_study(
    root: Path, params: Params, folder: Path, *, items: int, raters: int, nonce: str
) -> None:
    """Write page, sealed key and study into a new folder.

    ``items`` test items of each data set, drawn at random, as their order and that of the answers
    is, by ``nonce``: a secret that stands in the key, since an order that follows from what a rater
    can look up would not be blind. UserError where the folder is used or nothing was answered.
    """
    if folder.exists() and any(folder.iterdir()):
        raise _taken(folder)
    generator = random.Random(nonce)
    drawn = [
        item for name in params.datasets for item in _draw(root, params, name, items, generator)
    ]
    if not drawn:
        raise UserError(
            "no answers to rate",
            why="no data set of params.yaml was evaluated",
            next_command="dvc repro evaluate",
        )
    generator.shuffle(drawn)
    _write(root, folder, drawn, raters, nonce)


def _taken(folder: Path) -> UserError:
    return UserError(
        f"{folder} holds a study already",
        why="a new key would leave the ratings that were handed in without theirs",
        next_command="move it away, or name another folder by --folder",
    )


def _draw(root: Path, params: Params, name: str, num: int, generator: random.Random) -> list[Item]:
    """Test items that every scored size answered."""
    paths = {size: root / f"predictions/{size}/{name}/predictions.parquet" for size in params.sizes}
    by_size = {size: _read(path) for size, path in paths.items() if path.is_file()}
    if not by_size:
        return []
    shared = sorted(set.intersection(*(set(rows) for rows in by_size.values())))
    chosen = generator.sample(shared, min(num, len(shared)))
    return [_blind({size: rows[item] for size, rows in by_size.items()}, generator)
            for item in chosen]  # fmt: skip


def _read(path: Path) -> dict[str, Prediction]:
    return {p.id: p for p in read_records(path, Prediction) if p.condition == FULL}


def _blind(by_size: dict[str, Prediction], generator: random.Random) -> Item:
    """One item's different answers in random order: what two sources say alike is rated once."""
    first = next(iter(by_size.values()))
    said = [(size, row.prediction) for size, row in by_size.items()]
    said += [(REFERENCE, first.target), (BASELINE, first.baseline)]
    alike: dict[str, list[str]] = {}  # in one way of writing, which gives no source away
    for source, text in said:
        alike.setdefault(normalise_answer(text), []).append(source)
    shown = list(alike.items())
    generator.shuffle(shown)
    answers, sources = [text for text, _ in shown], [own for _, own in shown]
    return Item(first.id, first.dataset, first.source, first.image_id, answers, sources)


def _write(root: Path, folder: Path, items: Sequence[Item], raters: int, nonce: str) -> None:
    key = {
        "nonce": nonce,
        "items": [
            {"id": item.id, "dataset": item.dataset, "sources": item.sources} for item in items
        ],
    }
    sealed = _dump(key)
    study = {
        FORMAT: 1,
        "key_sha256": hash_bytes(sealed),
        "raters": raters,
        "answers": [len(item.answers) for item in items],
        "scales": {scale.name: len(scale.levels) for scale in SCALES},
    }
    page = _render(_show(root, items), study).encode()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (folder / KEY).open("xb") as file:
            file.write(sealed)
    except FileExistsError:  # another made a study here at the same time
        raise _taken(folder) from None
    written = {STUDY: _dump(study | {"page_sha256": hash_bytes(page)}), PAGE: page}
    for name, content in written.items():
        (folder / name).write_bytes(content)
    note_step(folder, "make", key_sha256=study["key_sha256"], items=len(items), raters=raters)


def _dump(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _show(root: Path, items: Sequence[Item]) -> list[dict[str, Any]]:
    """What the page needs of the items: nothing that tells a source, nor the item's id."""
    pictures: dict[str, bytes] = {}
    for name in {item.dataset for item in items}:
        wanted = {item.image_id for item in items if item.dataset == name and item.image_id}
        pictures |= read_pictures(root / f"examples/{name}/images.parquet", wanted, IMAGE_PX)
    encoded = {name: base64.b64encode(content).decode() for name, content in pictures.items()}
    return [
        {
            "question": item.question,
            "image": encoded.get(item.image_id, ""),
            "answers": item.answers,
        }
        for item in items
    ]


def _render(items: list[dict[str, Any]], study: dict[str, Any]) -> str:
    here = Path(__file__).parent
    css = (here / "page.css").read_text()
    script = "".join((here / name).read_text() for name in SCRIPTS)
    content = {**study, "items": items, "scales": [asdict(scale) for scale in SCALES]}
    # "<" would end the block that holds the data: a text of the data may say </script>.
    data = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(PAGE).render(
        css=Markup(css),  # noqa: S704  our own files
        script=Markup(script),  # noqa: S704
        data=Markup(data),  # noqa: S704  JSON without "<"
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(css)}'; "
        f"script-src 'sha256-{_digest(script)}'; base-uri 'none'; form-action 'none'",
        key_sha256=study["key_sha256"],
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
