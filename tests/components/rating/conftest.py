"""A small run whose answers are rated, and raters that hand in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.config import Params
from components.profiles.overlay import read_profile
from components.rating.study import KEY, STUDY, make_study
from components.records import ImageRecord, Prediction, write_records
from components.schema import validate
from tests.components.evaluation.conftest import make_image

NONCE = "of a test"


@pytest.fixture
def params() -> Params:
    changes = {"sizes": ["debug", "micro"], "datasets": ["vqa_rad", "meqsum"]}
    return validate(Params, read_profile("demo"), "profile demo").model_copy(update=changes)


@pytest.fixture
def root(tmp_path: Path, params: Params) -> Path:
    """Predictions of two sizes on two data sets, one of them with images."""
    root, image = tmp_path / "data", make_image(3)
    write_records(root / "examples/vqa_rad/images.parquet", ImageRecord, [image])
    for size in params.sizes:
        for name in params.datasets:
            rows = [
                Prediction(
                    id=f"{name}/{i}", dataset=name, size=size, condition=condition,
                    prediction=f"micro says {i}" if size == "micro" else ("yes", "Yes.")[i % 2],
                    target="yes" if i % 3 else "</script><b>no</b>", references=["yes"],
                    log_probability=-1.0, baseline="no", category="", group="",
                    image_id=image.id if name == "vqa_rad" else "", source=f"is it so, {i}?",
                )
                for i in range(8)
                for condition in ("full", "blank")
            ]  # fmt: skip
            write_records(root / f"predictions/{size}/{name}/predictions.parquet", Prediction, rows)
    return root


@pytest.fixture
def study(root: Path, params: Params) -> Path:
    """The folder of a study of two raters."""
    folder = root / "rating"
    make_study(root, params, folder, items=4, raters=2, nonce=NONCE)
    return folder


@pytest.fixture
def rate(study: Path, tmp_path: Path) -> Callable[..., Path]:
    """A rater's file: the reference is good, the size micro bad, the others between."""

    def rate(name: str, shift: int = 0, **changes: Any) -> Path:
        known = json.loads((study / STUDY).read_text())
        key = json.loads((study / KEY).read_text())
        rows = []
        for number, item in enumerate(key["items"], start=1):
            for place, sources in enumerate(item["sources"]):
                level = 5 if "reference" in sources else 1 if "micro" in sources else 3
                level = min(max(level + (shift if number % 2 else 0), 1), 5)
                rows.append({
                    "item": number, "answer": "ABCDEFG"[place], "factuality": level,
                    "relevance": level, "harm": 6 - level if level > 1 else 4,
                })  # fmt: skip
        content = {"key_sha256": known["key_sha256"], "rater": name, "ratings": rows} | changes
        path = tmp_path / f"ratings-{name}-{shift}-{len(changes)}.json"
        path.write_text(json.dumps(content))
        return path

    return rate
