"""Figures of a PMC article: caption, mentions, licence, and the image file beside the article."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from components.lineage import hash_bytes
from components.pubmed.licences import UNKNOWN, find_licence
from components.pubmed.markup import Element, local_name, plain_text
from components.pubmed.prose import Paragraph, find_mentions
from components.readers.images import BadImage, check_image
from components.records import Article, Figure, ImageRecord, Reject

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gif")
XLINK = "{http://www.w3.org/1999/xlink}href"
LONGEST_NAME = 200


def read_figures(article: Element, record: Article, paragraphs: list[Paragraph]) -> list[Figure]:
    """The figures of an article in order; those of reviews and replies within it are not its own.

    A figure with its own licence keeps it: pictures are often somebody else's.
    """
    key = record.origin.partition("#")[2]
    found = []
    for number, node in enumerate(_own_figures(article), start=1):
        figure_id = node.get("id") or f"figure-{number}"
        graphic = node.find(".//graphic")
        own = find_licence(node)
        figure = Figure(
            id=f"{key}/{figure_id}",
            pmcid=record.pmcid,
            label=plain_text(node.find("label")),
            caption=plain_text(node.find("caption")),
            mentions=find_mentions(paragraphs, figure_id),
            graphic=(graphic.get(XLINK) or "").strip() if graphic is not None else "",
            image_id="",
            licence=record.licence if own == UNKNOWN else own,
            modality="",
            origin=f"{record.origin}/{figure_id}",
        )
        found.append(figure)
    return found


def _own_figures(article: Element) -> Iterator[Element]:
    for part in ("body", "floats-group", "floats-wrap", "back"):
        for top in article.iterfind(part):
            for node in top.iter("fig"):
                if not any(local_name(a) == "sub-article" for a in node.iterancestors()):
                    yield node


def attach_image(
    figure: Figure, folder: Path, root: Path, max_pixels: int
) -> tuple[Figure, ImageRecord] | Reject:
    """The figure with the id of its image, and the image.

    ``folder`` is the article's. A Reject where no image is beside it or the image is broken, and
    for a name that leads out of ``root``: file names in articles are untrusted.
    """
    path = _find_image(figure.graphic, folder)
    if path is None:
        return Reject(figure.origin, "no-image", figure.graphic[:200])
    if not path.resolve().is_relative_to(root.resolve()):
        return Reject(figure.origin, "path-outside", figure.graphic[:200])
    content = path.read_bytes()
    try:
        facts = check_image(content, max_pixels)
    except BadImage as bad:
        return Reject(figure.origin, bad.reason, f"{path.name}: {bad.detail}")
    image = ImageRecord(
        id=hash_bytes(content),
        bytes=content,
        format=facts.format,
        width=facts.width,
        height=facts.height,
        modality=figure.modality,
        origin=figure.origin,
    )
    return replace(figure, image_id=image.id), image


def _find_image(name: str, folder: Path) -> Path | None:
    """The file that a graphic names, with or without its suffix."""
    if not name or "\0" in name or len(name) > LONGEST_NAME:
        return None
    for suffix in ("", *SUFFIXES):
        path = folder / f"{name}{suffix}"
        if path.suffix.lower() in SUFFIXES and path.is_file():
            return path
    return None
