"""How a model is to be asked: what a folder that answers holds beside weights and vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from components.errors import FORMAT, UserError, check_format, load_object
from components.schema import Section, validate
from components.tasks.registry import TASKS

ASKING = "asking.json"
VOCABULARY = "vocabulary"  # the folder of bpe.json and vocabulary.json


class Asking(Section):
    """The kind of task and how answers are found, as the model was trained and is evaluated.

    ``candidates`` is the closed set of answers, empty where answers are free or the question's own.
    """

    task: str
    dataset: str = Field(description="that it was tuned on; empty: on none alone")
    image_px: int = Field(ge=1)
    max_source_tokens: int = Field(ge=3)
    max_target_tokens: int = Field(ge=2)
    long_text: Literal["cut", "refuse"]
    beam: int = Field(ge=1)
    length_penalty: float = Field(ge=0)
    no_repeat_ngram: int = Field(ge=0)
    candidates: list[str]

    def dump(self) -> str:
        """As JSON: what ``read_asking`` reads."""
        told = {FORMAT: 1, **self.model_dump(mode="json")}
        return json.dumps(told, indent=1, ensure_ascii=False) + "\n"

    @field_validator("task")
    @classmethod
    def _check_task(cls, name: str) -> str:
        if name not in TASKS:
            raise ValueError(f"one of {', '.join(TASKS)}")
        return name


def read_asking(folder: Path) -> Asking:
    """What a folder says of itself; UserError where it is no folder that answers, or of a newer
    package's."""
    path = folder / ASKING
    if not path.is_file():
        raise UserError(
            f"{folder} is no model that can be asked",
            why=f"{ASKING} is not there; it says how the model is prompted",
            next_command="biomedgpt get ADDRESS gives such a folder, and so does "
            f"biomedgpt export {folder} --to FOLDER --names transformers",
        )
    return validate(Asking, check_format(load_object(path), path), str(path))
