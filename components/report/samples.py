"""Answered test items of each data set, drawn at random, with small pictures.

Nothing of a data set that may not be handed on is drawn: the page is there to be shown.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Mapping, Set
from pathlib import Path

import polars as pl

from components.cards import Card
from components.config import Params
from components.errors import damage_told
from components.evaluation.conditions import BLANK, FULL
from components.evaluation.metrics import find_metric, score_exact_match
from components.evaluation.scoring import score_predictions
from components.readers.images import decode_rgb
from components.records import Prediction, read_footer, read_records
from components.report.inputs import Reply, Sample, Scores, is_withheld

PICTURE_PX = 224
MAX_CHARS = 600


def draw_samples(
    root: Path, params: Params, cards: Mapping[str, Card], metrics: Mapping[str, Scores]
) -> list[Sample]:
    """``report.examples_per_dataset`` test items of each data set, with the answers of each size.

    Items are those of the largest size; sets of restricted access give none.
    """
    samples: list[Sample] = []
    for name in params.datasets:
        if is_withheld(cards, name, params.report):
            continue
        paths = {
            size: path
            for size in params.sizes
            if name in metrics.get(size, {})
            and (path := root / f"predictions/{size}/{name}/predictions.parquet").is_file()
        }
        if paths:
            headline = metrics[next(reversed(paths))][name]["headline"]
            images = root / f"examples/{name}/images.parquet"
            samples.extend(_draw(list(paths.values()), headline, images, params))
    return samples


def _draw(paths: list[Path], headline: str, images: Path, params: Params) -> list[Sample]:
    items = [p for p in read_records(paths[-1], Prediction) if p.condition == FULL]
    items.sort(key=lambda p: p.id)
    num = min(params.report.examples_per_dataset, len(items))
    drawn = random.Random(params.seed).sample(items, num)
    by_size = [read_replies(path, headline, {p.id for p in drawn}) for path in paths]
    pictures = read_pictures(images, {p.image_id for p in drawn if p.image_id})
    return [
        Sample(
            dataset=p.dataset,
            modality=p.modality,
            question=_clip(p.source),
            truth=_clip(" / ".join(dict.fromkeys([p.target, *p.references]))),
            baseline=_clip(p.baseline),
            metric=find_metric(headline).title,
            replies=[replies[p.id] for replies in by_size if p.id in replies],
            image_jpeg=pictures.get(p.image_id),
        )
        for p in drawn
    ]


def read_replies(path: Path, headline: str, wanted: Set[str]) -> dict[str, Reply]:
    """One size's answers to the wanted test items, by id. All are read: some metrics need them,
    and an answer is unsure beside the others."""
    predictions = list(read_records(path, Prediction))
    full = sorted((p for p in predictions if p.condition == FULL), key=lambda p: p.id)
    if not full:
        return {}
    blank = {p.id: _clip(p.prediction) for p in predictions if p.condition == BLANK}
    is_exact = find_metric(headline).score is score_exact_match
    quarter = sorted(p.log_probability for p in full)[len(full) // 4]
    return {
        p.id: Reply(
            size=p.size,
            answer=_clip(p.prediction),
            blank_answer=blank.get(p.id),
            score=score,
            right=score == 100 if is_exact else None,
            confidence=math.exp(min(p.log_probability, 0.0)),
            unsure=p.log_probability < quarter,
        )
        for p, score in zip(full, score_predictions(full, headline), strict=True)
        if p.id in wanted
    }


def _clip(text: str) -> str:
    text = text.strip()
    return (
        text
        if len(text) <= MAX_CHARS
        else text[: MAX_CHARS - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    )


def read_pictures(path: Path, ids: set[str], max_px: int = PICTURE_PX) -> dict[str, bytes]:
    """Images by id as JPEG, at most ``max_px`` on a side; UserError for a damaged or newer file."""
    if not ids or not path.is_file():
        return {}
    read_footer(path)
    rows = pl.scan_parquet(path, glob=False).filter(pl.col("id").is_in(list(ids)))
    with damage_told(path, pl.exceptions.PolarsError):
        found = rows.select("id", "bytes").collect()
    return {image_id: _shrink(content, max_px) for image_id, content in found.iter_rows()}


def _shrink(content: bytes, max_px: int) -> bytes:
    small = decode_rgb(content)
    small.thumbnail((max_px, max_px))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=82)
    return stream.getvalue()
