"""Every reader and importer of files that others made, by name: what it is given, and its call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from starlette.requests import Request

from components.artifacts.manifest import parse_manifest
from components.cards import Card, load_card
from components.checkpoints.faults import judge
from components.checkpoints.importing import match_source, settings_of
from components.checkpoints.reading import check_tensors, explain, find_weights, unpickle
from components.checkpoints.source import PICKLE, ZIP, read_source
from components.config import PrepareParams, load_params
from components.errors import UserError
from components.evaluation.calibration import read_calibration
from components.examples import build_examples
from components.instructions.conversations import read_conversations
from components.interop.answers import read_answers
from components.lineage import read_manifest
from components.model.weights import WEIGHTS, load_model
from components.pubmed.bioc import read_collection
from components.pubmed.medline import read_citations
from components.pubmed.pmc import read_articles
from components.rating.joining import read_joined, read_ratings, read_study
from components.readers.dicom import read_dicom_png
from components.readers.images import BadImage, check_image, decode_rgb
from components.readers.registry import READERS, check_reader, read_rows
from components.sample.world import MAKERS
from components.serving import pictures as served_pictures
from components.serving.batches import read_rows as read_asked_rows
from components.serving.finding import open_folder
from components.serving.reading import read_vocabulary
from components.tasks.registry import TASKS
from components.tracing.lock import read_lock
from components.web.asking import read_asked
from components.web.limits import Limits
from components.web.pictures import read_picture, show_picture, shrink
from components.web.refusals import Refusal
from tests.fuzz import seeds, written
from tests.fuzz.seeds import ROOT, Seed

MAX_PIXELS = 4_000_000
OWN_STAGE = {"biomed_vital", "bpe", "pmc_oa", "pubmed"}  # cards that name no reader of a data set
Call = Callable[[Path, Seed], object]


@dataclass(frozen=True)
class Target:
    """``call`` reads a folder that holds a seed's files, one of them changed."""

    name: str
    make_seeds: Callable[[], list[Seed]]
    call: Call
    documented: tuple[type[Exception], ...] = (UserError,)


@cache
def _card(name: str) -> Card:
    return load_card(name, ROOT / "data/cards")


@cache
def _sources(reader: str) -> list[str]:
    """The sources of the sample world whose cards name a reader."""
    return [name for name in MAKERS if _card(name).reader == reader]


@cache
def _prepare_params() -> PrepareParams:
    return load_params(ROOT / "params.yaml").prepare


def _read_rows(folder: Path, seed: Seed) -> None:
    list(read_rows(_card(seed.name), folder))


def _prepare(folder: Path, seed: Seed) -> None:
    """As the stage does: records, images, splits, prompts."""
    card = _card(seed.name)
    build_examples(card, TASKS[card.task], read_rows(card, folder), _prepare_params(), seed=1)


def _read_jats(folder: Path, seed: Seed) -> None:
    for name in seed.changed:
        if not name.endswith(".json"):
            list(read_articles(folder / name, folder))


def _read_checkpoint(folder: Path, _seed: Seed) -> None:
    """What its own process does, and tells; the limits are those of the contract."""
    path = folder / "model.pt"
    try:
        check_tensors(find_weights(unpickle(path), averaged=False)[1], 1 << 26)
    except Exception as error:
        raise UserError(explain(error)["what"]) from error


def _read_tensors(folder: Path, seed: Seed) -> None:
    path = folder / seed.changed[0]
    if path.read_bytes().startswith((ZIP, PICKLE)):  # for the process that checkpoint.pt stands for
        return
    with read_source(path, folder):
        pass


def _match_port(folder: Path, _seed: Seed) -> None:
    """An import up to the point where a new folder would be written."""
    path = folder / WEIGHTS
    with read_source(path, folder) as source:
        settings = settings_of(path, source, "huggingface")
        match = match_source(source, "huggingface", settings, ())
    judge(match.faults, (), str(path))


def _open_model(folder: Path, _seed: Seed) -> None:
    vocabulary = read_vocabulary(open_folder(folder))
    vocabulary.decode(vocabulary.encode("is the lung clear?"))


def _read_images(folder: Path, seed: Seed) -> None:
    content = (folder / seed.changed[0]).read_bytes()
    check_image(content, MAX_PIXELS)
    decode_rgb(content)


def _show_upload(folder: Path, seed: Seed) -> None:
    content = (folder / seed.changed[0]).read_bytes()
    picture = read_picture(content, Limits(image_pixels=MAX_PIXELS))
    show_picture(picture)
    shrink(picture, 32)


def _read_body(kind: str, folder: Path, seed: Seed) -> None:
    """A body as a server hands it over, in two pieces."""
    body = (folder / seed.changed[0]).read_bytes()
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> dict[str, object]:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    _loop().run_until_complete(read_asked(Request(scope, receive), Limits()))


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _read_study(folder: Path, _seed: Seed) -> None:
    study = read_study(folder)
    read_ratings(folder / "ratings.json", study)
    read_joined(folder, study)


def _as_list(read: Callable[[Path], Iterator[object]], folder: Path, seed: Seed) -> None:
    for name in seed.changed:
        list(read(folder / name))


def _read_card(folder: Path, seed: Seed) -> None:
    card = load_card(seed.name, folder)
    if seed.name not in OWN_STAGE:
        check_reader(card)


def _from(*names: str) -> list[Seed]:
    return [seeds.sample(name) for name in names]


def _one_by_one(*sources: str, suffixes: tuple[str, ...]) -> list[Seed]:
    """Each file of these suffixes with all that lies around it."""
    return [
        Seed(source, found.files, (name,))
        for source in sources
        for found in [seeds.sample(source)]
        for name in found.files
        if name.endswith(suffixes)
    ]


def _shrunk(seed: Seed) -> Seed:
    """A seed's changed files alone."""
    return Seed(seed.name, {name: seed.files[name] for name in seed.changed}, seed.changed)


FORM = "multipart/form-data; boundary=x"
TABLE: tuple[Target, ...] = (
    Target("medline", lambda: [_shrunk(s) for s in _one_by_one("pubmed", suffixes=(".xml", ".gz"))],
           partial(_as_list, read_citations)),
    Target("jats", lambda: _one_by_one("pmc_oa", suffixes=(".xml", ".nxml")), _read_jats),
    Target("bioc", written.bioc_files, lambda folder, _: list(
        read_collection(folder / "one.json", folder))),
    Target("conversations", lambda: _from("biomed_vital"), lambda folder, _: list(
        read_conversations(_card("biomed_vital"), folder))),
    *(
        Target(f"reader.{name}", lambda name=name: _from(*_sources(name)), _read_rows)
        for name in READERS
    ),
    Target("prepare", lambda: _from(*(s for name in READERS for s in _sources(name))), _prepare),
    Target("dicom", seeds.dicom_files, lambda folder, _: read_dicom_png(
        (folder / "image.dcm").read_bytes(), "middle", max_pixels=MAX_PIXELS), (BadImage,)),
    Target("images", seeds.draw_images, _read_images, (BadImage,)),
    Target("pictures.web", lambda: seeds.draw_images() + seeds.dicom_files(), _show_upload,
           (Refusal,)),
    Target("pictures.served", lambda: seeds.draw_images() + seeds.dicom_files(),
           lambda folder, seed: served_pictures.read_picture(
               folder / seed.changed[0], "first")),
    Target("checkpoint.pt", written.pickled_checkpoints, _read_checkpoint),
    Target("checkpoint.safetensors", written.tensor_files, _read_tensors),
    Target("checkpoint.own", written.own_weights, lambda folder, _: load_model(folder)),
    Target("checkpoint.port", written.port_folders, _match_port),
    Target("manifest", written.manifests, lambda folder, _: read_manifest(folder)),
    Target("artifact", written.artifacts, lambda folder, _: parse_manifest(
        (folder / "artifact.json").read_bytes(), "v1.json")),
    Target("card", seeds.cards, _read_card),
    Target("params", written.params_files, lambda folder, _: load_params(folder / "params.yaml")),
    Target("dvc.lock", written.lock_files, lambda folder, _: read_lock(folder / "dvc.lock")),
    Target("served.model", written.served_models, _open_model),
    Target("served.calibration", written.calibrations, lambda folder, _: read_calibration(folder)),
    Target("predict.jsonl", written.question_files, lambda folder, _: list(
        read_asked_rows(str(folder / "rows.jsonl")))),
    Target("web.form", written.forms, partial(_read_body, FORM), (Refusal,)),
    Target("web.json", written.json_bodies, partial(_read_body, "application/json"), (Refusal,)),
    Target("ratings", written.studies, _read_study),
    Target("score.answers", written.answer_files, partial(_as_list, read_answers)),
)  # fmt: skip
TARGETS = {target.name: target for target in TABLE}
