"""Cards: what a data set or a source IS, in data/cards/<name>.yaml. Data, never code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import permutations
from operator import getitem
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from components.errors import UserError
from components.lineage import MANIFEST, QUARANTINE
from components.schema import Section, load_yaml, validate

CARDS = Path("data/cards")
SOURCE_TASKS = (
    "instruct",
    "corpus",
    "vocabulary",
)  # named under sources of params.yaml, the rest as datasets
PRETRAINING_TASKS = ("detect", "infill_image", "infill_text")  # pretrained on, never scored
OWN_FILES = (MANIFEST, QUARANTINE)  # what this project writes beside raw files
ACCESS_NOTES = {
    "open": "anyone may download it",
    "non-commercial": "anyone may download it, for non-commercial research only",
    "registration": "downloading needs a free account",
    "request": "the owner hands it out when asked",
    "agreement": "the owner asks for a signed data-use agreement",
    "credentialed": "PhysioNet credentialed access and training are required",
    "crawl": "there is no official bulk file; images are collected from web pages",
    "private": "your own: no command of this project sends it anywhere",
}
# Of these not even a model that was trained on them may be handed on without asking.
PRIVATE = "private"
RESTRICTED = frozenset({"request", "agreement", "credentialed", PRIVATE})


def stay_inside(path: str) -> str:
    """A path, or a pattern of paths, below the raw folder; ValueError for any other."""
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or ".." in parts:
        raise ValueError(f"{path} leads out of the raw folder")
    if not parts or any("**" in part and part != "**" for part in parts):
        raise ValueError(f"{path!r} matches no path")
    return path


Inside = Annotated[str, AfterValidator(stay_inside)]


class Download(Section):
    """One plain file of a source: its address, its path in the raw folder, and its content."""

    url: str
    path: Inside
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="empty: not known")


class Statement(Section):
    """A licence, and the place that states it."""

    by: str
    licence: str


class Source(Section):
    """Where it comes from, and what one may do with it.

    Where places do not agree (``stated``), ``licence`` and ``access`` follow the strictest.
    """

    url: str = Field(description="of its page, or of its one file")
    version: str = Field(description="which one this card describes")
    licence: str
    access: Literal[
        "open", "non-commercial", "registration", "request", "agreement", "credentialed", "crawl",
        "private",
    ] = Field(description="who may have it")  # fmt: skip
    how_to_get: str = Field(description="in words, which errors end with")
    citation: str
    downloads: list[Download] = Field(
        description="its files one by one, where url is not itself a file"
    )
    stated: list[Statement] = Field(default_factory=list, description="where places disagree")
    md5: dict[str, str] = Field(
        default_factory=dict, description="what the holder states, by the name of the file"
    )


class Release(Section):
    """A release of the data by its official number of records, with the tag of the evidence."""

    name: str
    records: dict[Literal["train", "validation", "test", "all"], int] = Field(min_length=1)
    evidence: str


class Files(Section):
    """One role of a data set's files: patterns under its raw folder, the first that match count."""

    patterns: list[Inside] = Field(min_length=1)
    required: bool = True


class Published(Section):
    """A published figure, with the tag of the evidence that it rests on."""

    model: str
    metric: str
    value: float
    evidence: str
    zero_shot: bool = Field(default=False, description="of a model not tuned on the set")


class Card(Section):
    """A data set of a known kind of task, or what else is brought: text, instructions, a BPE.

    What DVC follows has no default: it must stand in the file, though empty.
    """

    name: str = Field(description="that of its file")
    title: str = Field(description="as people are shown it")
    task: Literal[
        "vqa", "caption", "classify", "understand", "summarize", "answer",
        "detect", "infill_image", "infill_text", "instruct", "corpus", "vocabulary",
    ] = Field(description="what is asked of it, and how it is answered")  # fmt: skip
    benchmark: bool = Field(description="one of this project's reconstruction of the 23")
    source: Source
    folders: list[Inside] = Field(min_length=1, description="names it may have under acquire.root")
    files: dict[str, Files] = Field(description="by the role that they have for the reader")
    reader: str = Field(description="of its format, by name")
    options: dict[str, str] = Field(description="what the reader is told")
    official_splits: list[Literal["train", "validation", "test"]] = Field(
        description="those that its makers drew; of the others prepare draws a share"
    )
    answers: dict[str, str] = Field(
        description="raw label to answer text; the answer set, if fixed"
    )
    candidates: Literal["fixed", "train", "paper", "options", "none"] = Field(
        description="what is chosen among: answers; those of train and validation; of test, too; "
        "the options of each row; or nothing, and the answer is free"
    )
    modality: str = Field(description="of its images, where no column tells")
    metrics: list[str] = Field(description="the first is the headline")
    recipe: dict[str, float | int | bool | str] = Field(
        description="settings of finetune that are other ones for this set"
    )
    releases: list[Release] = Field(default_factory=list, description="newest first")
    published: list[Published] = Field(
        default_factory=list, description="figures that the report sets beside ours"
    )
    overlaps: dict[str, str] = Field(
        default_factory=dict,
        description="what its official splits share by design, in words, by the audit's kinds",
    )

    @model_validator(mode="after")
    def _check_answers(self) -> Card:
        if self.task not in (*SOURCE_TASKS, *PRETRAINING_TASKS) and not self.metrics:
            raise ValueError("metrics is empty: name at least one, the first is the headline")
        if self.candidates == "fixed" and not self.answers:
            raise ValueError(
                "candidates is fixed: answers must name them, raw label to answer text"
            )
        if self.candidates == "options" and self.task != "answer":
            raise ValueError(f"candidates is options: the task {self.task} has none of its own")
        if self.task == "understand":
            self._check_no_answer_begins_another()
        return self

    def _check_no_answer_begins_another(self) -> None:
        """ValueError where a longer answer could never win: no answer of this task has an end."""
        said = sorted({answer.lower().strip() for answer in self.answers.values()})
        for shorter, longer in permutations(said, 2):
            if longer.startswith(shorter) and not longer[len(shorter)].isalnum():
                raise ValueError(
                    f"answers: {longer!r} begins with {shorter!r}, and would always be the less "
                    "likely of the two: an answer of this task is not closed by an end of its own"
                )

    @property
    def trains_only(self) -> bool:
        """Whether all of it is for training: it can be pretrained on, and nothing tested on it."""
        return self.official_splits == ["train"]

    def facts(self, *keys: str) -> dict[str, Any]:
        """What the card says under these keys (``source.url`` steps inside), for a manifest.

        The rest of a card may be corrected, and nothing that was made of these is stale.
        """
        values = self.model_dump()
        return {key: reduce(getitem, key.split("."), values) for key in keys}

    def name_release(self, counts: Mapping[str, int]) -> str:
        """The release whose official numbers these are, by split; "" where it is none known.

        A release that is told as a whole is compared with the sum.
        """
        found = {split: num for split, num in counts.items() if num}
        for release in self.releases:
            whole = set(release.records) == {"all"}
            if release.records == ({"all": sum(found.values())} if whole else found):
                return release.name
        return ""

    @property
    def attribute_columns(self) -> dict[str, str]:
        """What records tell of a patient or a picture, by name: the column that tells it.

        ``options.attributes`` holds them, as ``sex=Sex,view=Plane``; "" for one without a column.
        """
        pairs = [pair.partition("=") for pair in self.options.get("attributes", "").split(",")]
        return {name.strip(): column.strip() for name, _, column in pairs if name.strip()}

    def find(self, root: Path, role: str) -> list[Path]:
        """Files of a role under the raw folder, sorted; the first pattern that matches counts.

        Raises UserError, with licence, access and how to get it, when a required role has none.
        """
        files = self.files[role]
        for pattern in files.patterns:
            found = sorted(
                path for path in root.glob(pattern) if path.is_file() and path.name not in OWN_FILES
            )
            if found:
                return found
        if not files.required:
            return []
        raise self.missing([root / pattern for pattern in files.patterns], role)

    def missing(self, looked_for: Sequence[Path | str], role: str) -> UserError:
        """The error for raw files that are not there."""
        source = self.source
        paths = " or ".join(str(path) for path in looked_for)
        return UserError(
            f"{self.title} (data/cards/{self.name}.yaml): no {role} file; looked for {paths}",
            why=f"licence {source.licence}; access: {source.access}, "
            f"{ACCESS_NOTES[source.access]}. {source.url}",
            next_command=source.how_to_get,
        )


def load_card(name: str, folder: Path = CARDS) -> Card:
    """Read one card; UserError names an unknown card, or a bad key and the allowed ones."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise UserError(f"no card named {name!r} in {folder}", why=f"known: {known}")
    card = validate(Card, load_yaml(path), str(path))
    if card.name != name:
        raise UserError(f"{path}: name is {card.name!r}", why="a card is named like its file")
    return card


def load_cards(folder: Path = CARDS) -> Iterator[Card]:
    """Every card, in the order of its name."""
    for path in sorted(folder.glob("*.yaml")):
        yield load_card(path.stem, folder)
