"""What raters handed in, checked and put together, still blind: who agrees, not who is right."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from components.errors import UserError, check_format, damaged, load_object
from components.evaluation.intervals import EQUAL, Interval, bootstrap, find_groups
from components.lineage import hash_bytes, hash_file
from components.rating.agreement import Ratings, cohen_kappas, estimate_alpha, fleiss_kappa
from components.rating.log import note_step
from components.rating.study import LETTERS, STUDY
from components.schema import Section, validate

JOINED, RESULTS, HANDED_IN = "joined.json", "results.json", "ratings"
LONGEST_CODE = 64  # of a rater: it becomes the name of a file
CODE = re.compile(rf"(?=[\w-]{{1,{LONGEST_CODE}}}\Z)[_-]*[^\W_][\w-]*")
MAX_ANSWERS, MAX_LEVELS = len(LETTERS), 100


class Study(Section):
    """What raters were given: how many answers each question has, and levels each scale."""

    key_sha256: str
    page_sha256: str = ""
    raters: int = Field(ge=1)
    answers: list[Annotated[int, Field(ge=1, le=MAX_ANSWERS)]]
    scales: dict[str, Annotated[int, Field(ge=1, le=MAX_LEVELS)]]


@dataclass(frozen=True, slots=True)
class HandedIn:
    """One rater's file: for each scale a level per answer, 0 where the rater cannot judge."""

    rater: str
    levels: dict[str, list[int]]
    content: bytes


def join_ratings(folder: Path, files: Sequence[Path], resamples: int, seed: int) -> dict[str, Any]:
    """Check and keep the files, and write how well the raters agree; returns that.

    UserError for a file of another study, a rater that comes twice, a rating that is missing or
    none of its scale, and after unblinding.
    """
    study = read_study(folder)
    if (folder / RESULTS).is_file():
        raise UserError(
            f"{folder} is unblinded", why="who has seen the key cannot rate blindly any more"
        )
    handed_in = [read_ratings(path, study) for path in files]
    names = [own.rater for own in handed_in]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{', '.join(twice)} handed in more than once", why="give one file each")
    for own in handed_in:
        (folder / HANDED_IN).mkdir(exist_ok=True)
        (folder / HANDED_IN / f"{own.rater}.json").write_bytes(own.content)
    joined = {
        "key_sha256": study["key_sha256"],
        "raters": {own.rater: hash_bytes(own.content) for own in handed_in},
        "agreement": measure_agreement(study, handed_in, resamples, seed),
    }
    (folder / JOINED).write_text(json.dumps(joined, indent=1, sort_keys=True) + "\n")
    note_step(folder, "join", raters=joined["raters"])
    return joined


def read_study(folder: Path) -> dict[str, Any]:
    """What raters were given; UserError where the folder holds no study."""
    path = folder / STUDY
    if not path.is_file():
        raise UserError(f"{folder} holds no study", next_command="biomedgpt rating make")
    study: dict[str, Any] = check_format(load_object(path), path)
    validate(Study, study, str(path))
    return study


def read_ratings(path: Path, study: dict[str, Any]) -> HandedIn:
    """One rater's ratings in the order of the page; UserError names the file and the answer."""
    if not path.is_file():
        raise UserError(f"{path} is not there", next_command="name the files that raters saved")
    content = path.read_bytes()
    try:
        given = check_format(json.loads(content), path)
        key, rater = given["key_sha256"], given["rater"]
        places = [(row["item"], row["answer"]) for row in given["ratings"]]
        rows = dict(zip(places, given["ratings"], strict=True))
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise UserError(
            f"{path} holds no ratings", why=str(error), next_command="save them from the page again"
        ) from None
    if key != study["key_sha256"]:
        raise UserError(
            f"{path} is of another study", why=f"its key is {key}, here is {study['key_sha256']}"
        )
    if not isinstance(rater, str) or not CODE.fullmatch(rater):
        raise UserError(
            f"{path}: the rater's code is {str(rater)[:80]!r}",
            why=f"up to {LONGEST_CODE} letters and digits, with - and _ between them, are one",
        )
    _match_places(places, list_answers(study), path)
    levels: dict[str, list[int]] = {scale: [] for scale in study["scales"]}
    for place in list_answers(study):
        for scale, num in study["scales"].items():
            levels[scale].append(_read_level(rows.get(place, {}), scale, num, path, place))
    return HandedIn(rater, levels, content)


def _match_places(
    rated: Sequence[tuple[int, str]], shown: Sequence[tuple[int, str]], path: Path
) -> None:
    """UserError for an answer that was rated twice, or that the page does not show; one that was
    not rated is named with its scale."""
    counts = Counter(rated)
    faults = {
        "rated more than once": [place for place, num in counts.items() if num > 1],
        "not on the page": [place for place in counts if place not in set(shown)],
    }
    for words, places in faults.items():
        if places:
            item, answer = places[0]
            raise UserError(
                f"{path}: question {item}, answer {answer} is {words}",
                why="which of two ratings holds, or what it is of, nobody can tell",
                next_command="ask the rater to save the page again",
            )


def list_answers(study: dict[str, Any]) -> list[tuple[int, str]]:
    """(question, letter) of every answer, in the order of the page."""
    return [
        (item, LETTERS[answer])
        for item, num in enumerate(study["answers"], start=1)
        for answer in range(num)
    ]


def _read_level(
    row: dict[str, Any], scale: str, num: int, path: Path, place: tuple[int, str]
) -> int:
    """A level from 1, or 0 for null: cannot judge."""
    where = f"{path}: question {place[0]}, answer {place[1]}: {scale}"
    if scale not in row:
        raise UserError(
            f"{where} is not rated", why="only whole ratings are joined",
            next_command="ask the rater to open the page, finish, and save again",
        )  # fmt: skip
    level = row[scale]
    if level is None:
        return 0
    if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= num:
        raise UserError(f"{where} is {level!r}", why=f"it goes from 1 to {num}")
    return level


def measure_agreement(
    study: dict[str, Any], handed_in: Sequence[HandedIn], resamples: int, seed: int
) -> dict[str, Any]:
    """By scale: alpha with its interval over questions, kappas, and how often nobody could judge.

    Empty with one rater.
    """
    if len(handed_in) < 2:
        return {}
    groups = find_groups([f"{item:06d}" for item, _ in list_answers(study)])
    names, found = [own.rater for own in handed_in], {}
    for scale, num in study["scales"].items():
        ratings_RU: Ratings = np.array([own.levels[scale] for own in handed_in])
        alpha = bootstrap(
            estimate_alpha(ratings_RU, num, groups), groups, resamples=resamples, seed=seed
        )
        kappas = cohen_kappas(ratings_RU, num, names)
        found[scale] = {
            "krippendorff_alpha": tell_interval(_without_false_width(alpha)),
            "fleiss_kappa": _round(fleiss_kappa(ratings_RU, num)),
            "cohen_kappa": {pair: _round(kappa) for pair, kappa in kappas.items()},
            "answers": ratings_RU.shape[1],
            "cannot_judge": int((ratings_RU == 0).sum()),
        }
    return found


def _without_false_width(alpha: Interval) -> Interval:
    """Without bounds where no resample differs: nothing then tells how far chance goes."""
    if alpha.low is None or alpha.high is None or alpha.high - alpha.low >= EQUAL:
        return alpha
    return replace(alpha, low=None, high=None)


def tell_interval(interval: Interval) -> dict[str, float | None]:
    """Value and bounds, rounded; null where they are not defined."""
    numbers = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {key: _round(number) for key, number in numbers.items()}


def _round(number: float | None) -> float | None:
    return None if number is None or not np.isfinite(number) else round(number, 4)


def read_joined(folder: Path, study: dict[str, Any]) -> list[HandedIn]:
    """The ratings that were joined, unchanged; UserError where one is missing or was changed."""
    path = folder / JOINED
    raters: dict[str, str] = load_object(path).get("raters", {}) if path.is_file() else {}
    if not isinstance(raters, dict) or not all(map(CODE.fullmatch, raters)):
        raise damaged(path, "its raters are no codes, each with the hash of what was handed in")
    if len(raters) < study["raters"]:
        raise UserError(
            f"{len(raters)} of {study['raters']} raters have handed in",
            why="who knows whose answers they are cannot rate blindly any more",
            next_command="biomedgpt rating join FILE FILE ..., with the files of all raters",
        )
    for rater, known in raters.items():
        file = folder / HANDED_IN / f"{rater}.json"
        if not file.is_file() or hash_file(file) != known:
            raise UserError(
                f"{file} is not what was joined", next_command="biomedgpt rating join once more"
            )
    return [read_ratings(folder / HANDED_IN / f"{rater}.json", study) for rater in raters]
