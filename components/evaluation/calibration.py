"""A calibration that was fitted: how far a closed set's probabilities are stretched, and how well.

It is written where a model is evaluated, goes with the model when it is shared, and is read where
the model is asked; it is fitted in components/evaluation/temperature.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from components.errors import FORMAT, check_format, load_object
from components.schema import Section, validate

CALIBRATION = "calibration.json"
MIN_ITEMS = 20  # below, an error of calibration is mostly chance


class Calibration(Section):
    """What was fitted, on what, and how far confidence and accuracy lay apart (0 to 1)."""

    method: Literal["temperature"]
    temperature: float = Field(gt=0)
    split: Literal["validation"]
    num_items: int = Field(ge=MIN_ITEMS)
    accuracy: float = Field(ge=0, le=1)
    error_before: float = Field(ge=0, le=1, description="expected calibration error, raw")
    error_after: float = Field(ge=0, le=1, description="of items that others were fitted without")


def write_calibration(calibration: Calibration, folder: Path) -> Path:
    """Write it as JSON beside what it is of."""
    path = folder / CALIBRATION
    told = {FORMAT: 1, **calibration.model_dump()}
    path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    return path


def read_calibration(folder: Path) -> Calibration | None:
    """What ``write_calibration`` wrote; None where there is none, UserError where it is damaged or
    a newer package wrote it."""
    path = folder / CALIBRATION
    if not path.is_file():
        return None
    return validate(Calibration, check_format(load_object(path), path), str(path))
