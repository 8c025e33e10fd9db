"""PMC's open access articles: JATS XML, figures, and the metadata file of the bucket of 2026.

Most articles lie under a prefix per version (PMC90000001.1/PMC90000001.1.xml and .json, figures
beside them); every tenth is a package of before, an .nxml without metadata. One article has two
versions, one is retracted by its metadata alone, one lacks a picture.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.sample.drawing import Dice, draw_scene
from components.sample.encode import (
    start_chance,
    start_dice,
    write_bytes,
    write_image,
    write_json,
)
from components.sample.jats import DOCTYPE, OLD_DOCTYPE, Printed, build_article
from components.sample.markup import serialize
from components.sample.papers import count_articles, imagine_paper
from components.sample.scenes import MODALITIES, Scene, imagine_scenes
from components.sample.settings import SampleSettings

BUCKET = "s3://pmc-oa-opendata"
LICENCES = ("CC BY", "CC BY-NC", "CC BY", "CC0", "CC BY", "CC BY-NC-ND", "CC BY", "CC BY-NC-SA")
RETRACTED, LACKING, REVISED, PACKAGE_EVERY = 7, 5, 2, 10
MAX_FIGURES = 4


def make_pmc_oa(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write an article for every two of ``num_images``; returns every file's path."""
    chance, dice = start_chance(settings.seed, "pmc_oa"), start_dice(settings.seed, "pmc_oa")
    num_articles = count_articles(settings)
    scenes = imagine_scenes(MODALITIES, num_articles * MAX_FIGURES, chance, normal=0.1)
    paths: list[Path] = []
    for number in range(1, num_articles + 1):
        shown = scenes[(number - 1) * MAX_FIGURES :][: chance.randrange(2, MAX_FIGURES + 1)]
        printed = Printed(
            paper=imagine_paper(settings, number),
            scenes=shown,
            licence=LICENCES[number % len(LICENCES)],
            version=1,
            cited=[imagine_paper(settings, number + step) for step in (1, 2, 3)],
            is_package=number % PACKAGE_EVERY == 0,
            form=chance.randrange(3),
        )
        paths += _place_article(folder, printed, settings.image_px, dice)
        if number == REVISED:
            revised = imagine_paper(settings, number, revision=2)
            again = replace(printed, paper=revised, version=2)
            paths += _place_article(folder, again, settings.image_px, dice)
    return paths


def _place_article(folder: Path, printed: Printed, image_px: int, dice: Dice) -> list[Path]:
    paper, root = printed.paper, build_article(printed)
    if printed.is_package:
        place = folder / paper.pmcid
        text = write_bytes(place / f"sample-{paper.number}.nxml", serialize(root, OLD_DOCTYPE))
        return [text, *_draw_figures(place, printed, image_px, dice)]
    stem = f"{paper.pmcid}.{printed.version}"
    place = folder / stem
    text = write_bytes(place / f"{stem}.xml", serialize(root, DOCTYPE))
    figures = _draw_figures(place, printed, image_px, dice)
    return [text, *figures, write_json(place / f"{stem}.json", _describe(printed, text, figures))]


def _draw_figures(place: Path, printed: Printed, image_px: int, dice: Dice) -> list[Path]:
    paths = []
    shown: list[Scene] = printed.scenes
    for name, scene in zip(printed.graphics(), shown, strict=True):
        pixels = draw_scene(scene, image_px, dice)
        if printed.paper.number == LACKING and scene is shown[-1]:
            continue
        paths.append(write_image(place / f"{name}.jpg", pixels, "RGB"))
    return paths


def _describe(printed: Printed, text: Path, figures: list[Path]) -> dict[str, Any]:
    """The metadata of one article version, in the bucket's own keys."""
    paper = printed.paper
    return {
        "pmcid": paper.pmcid,
        "version": printed.version,
        "pmid": int(paper.pmid),
        "doi": paper.doi,
        "mid": None,
        "title": paper.title.rstrip("."),
        "citation": f"{paper.journal.short}. {paper.year}; {paper.year - 1990}:{paper.number}",
        "is_pmc_openaccess": True,
        "is_manuscript": False,
        "is_historical_ocr": False,
        "is_retracted": paper.number == RETRACTED,
        "license_code": printed.licence,
        "xml_url": _locate(text),
        "text_url": None,
        "pdf_url": None,
        "media_urls": [_locate(figure) for figure in figures],
    }


def _locate(path: Path) -> str:
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return f"{BUCKET}/{path.parent.name}/{path.name}?md5={digest}"
