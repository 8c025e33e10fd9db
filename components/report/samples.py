"""A few answered test items per data set, drawn at random, with small pictures."""

from __future__ import annotations

import io
import random
from pathlib import Path

import polars as pl

from components.config import Params
from components.evaluation.conditions import BLANK, FULL
from components.evaluation.metrics import find_metric, score_exact_match
from components.evaluation.scoring import score_predictions
from components.readers.images import decode_rgb
from components.records import Prediction, read_records
from components.report.inputs import Sample, Scores

PICTURE_PX = 224
MAX_CHARS = 600


def draw_samples(root: Path, params: Params, metrics: dict[str, Scores]) -> list[Sample]:
    """The largest size's answers to ``report.examples_per_dataset`` items of each data set."""
    samples: list[Sample] = []
    for name in params.datasets:
        sizes = [size for size in params.sizes if name in metrics[size]]
        if not sizes:
            continue
        path = root / f"predictions/{sizes[-1]}/{name}/predictions.parquet"
        if path.is_file():
            predictions = list(read_records(path, Prediction))
            headline = metrics[sizes[-1]][name]["headline"]
            images = root / f"examples/{name}/images.parquet"
            samples.extend(_draw(predictions, headline, images, params))
    return samples


def _draw(
    predictions: list[Prediction], headline: str, images: Path, params: Params
) -> list[Sample]:
    full = sorted((p for p in predictions if p.condition == FULL), key=lambda p: p.id)
    blank = {p.id: p.prediction for p in predictions if p.condition == BLANK}
    metric = find_metric(headline)
    scored = list(zip(full, score_predictions(full, headline), strict=True))
    num = min(params.report.examples_per_dataset, len(scored))
    drawn = random.Random(params.seed).sample(scored, num)
    pictures = read_pictures(images, {p.image_id for p, _ in drawn if p.image_id})
    return [
        Sample(
            dataset=p.dataset,
            size=p.size,
            question=_clip(p.source),
            truth=_clip(" / ".join(dict.fromkeys([p.target, *p.references]))),
            answer=_clip(p.prediction),
            blank_answer=_clip(blank[p.id]) if p.id in blank else None,
            baseline=_clip(p.baseline),
            metric=metric.title,
            score=score,
            right=score == 100 if metric.score is score_exact_match else None,
            image_jpeg=pictures.get(p.image_id),
        )
        for p, score in drawn
    ]


def _clip(text: str) -> str:
    text = text.strip()
    return (
        text
        if len(text) <= MAX_CHARS
        else text[: MAX_CHARS - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    )


def read_pictures(path: Path, ids: set[str], max_px: int = PICTURE_PX) -> dict[str, bytes]:
    """Images by id as JPEG, at most ``max_px`` on a side."""
    if not ids or not path.is_file():
        return {}
    rows = pl.scan_parquet(path).filter(pl.col("id").is_in(list(ids))).select("id", "bytes")
    return {image_id: _shrink(content, max_px) for image_id, content in rows.collect().iter_rows()}


def _shrink(content: bytes, max_px: int) -> bytes:
    small = decode_rgb(content)
    small.thumbnail((max_px, max_px))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=82)
    return stream.getvalue()
