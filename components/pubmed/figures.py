"""Figures of a PMC article: caption, mentions, licence, and the image file beside the article."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from components.lineage import hash_bytes
from components.pubmed.licences import UNKNOWN, find_licence
from components.pubmed.markup import Element, local_name
from components.pubmed.mentions import name_figure
from components.pubmed.prose import MentionIndex, caption_text, clean_text
from components.readers.images import BadImage, check_image
from components.records import Article, Figure, ImageRecord, Reject

# The best first: PMC's packages hold a .gif as thumbnail beside the .jpg.
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gif")
XLINK = "{http://www.w3.org/1999/xlink}href"
PARTS = ("body", "floats-group", "floats-wrap", "back")
# Somebody else's picture, whatever the licence of the article around it.
BY_PERMISSION = re.compile(
    r"\b(?:reproduced|reprinted|adapted|modified|used|taken|republished)\b[^.]{0,120}\bpermission",
    re.IGNORECASE,
)
LONGEST_NAME = 200  # bytes, as file systems count
CACHED = re.compile(r"/[0-9a-f]{2}/[0-9a-f]{30}\Z")  # as DVC names what it keeps, by its md5


def read_figures(article: Element, record: Article, mentions: MentionIndex) -> list[Figure]:
    """The figures of an article in order; those of reviews and replies within it are not its own.

    Supplementary files that are images count. A figure of several images gives one record each,
    with the same caption; a figure in a group has the group's caption before its own.
    """
    key = record.origin.partition("#")[2]
    found: list[Figure] = []
    taken: dict[str, int] = {}
    for number, node in enumerate(_own_figures(article), start=1):
        stated = node.get("id") or f"figure-{number}"
        caption, licence = _caption(node), _licence(node, record.licence)
        label = clean_text(node.find("label")) or _group_label(node)
        keys = [stated, *_group_id(node), name_figure(label, caption)]
        sentences = mentions.find(list(filter(None, keys)))
        for graphic in _graphics(node) or [""]:
            figure_id = _free(stated, taken)
            found.append(
                Figure(
                    id=f"{key}/{figure_id}",
                    pmcid=record.pmcid,
                    label=label,
                    caption=caption,
                    mentions=sentences,
                    graphic=graphic,
                    image_id="",
                    licence=licence,
                    modality="",
                    origin=f"{record.origin}/{figure_id}",
                )
            )
    return found


def list_graphics(article: Element) -> list[str]:
    """The image files that ``read_figures`` would name, as often as it would."""
    return [name for node in _own_figures(article) for name in _graphics(node)]


def _free(stated: str, taken: dict[str, int]) -> str:
    """An id that no figure before it has: the stated one, or with a number."""
    name, number = stated, taken.get(stated, 1)
    while name in taken:
        number += 1
        name = f"{stated}-{number}"
    taken[stated] = number  # where to go on: a figure may have thousands of images
    taken.setdefault(name, 1)
    return name


def _own_figures(article: Element) -> Iterator[Element]:
    for part in PARTS:
        for top in article.iterfind(part):
            for node in top.iter("fig", "supplementary-material"):
                foreign = any(
                    local_name(a) in ("sub-article", "response") for a in node.iterancestors()
                )
                if not foreign and (node.tag == "fig" or _is_picture(node)):
                    yield node


def _is_picture(supplement: Element) -> bool:
    """Whether a supplementary file is an image itself, and not a figure's container."""
    if supplement.find(".//fig") is not None:
        return False
    return any(_suffix(name) in SUFFIXES for name in _links(supplement))


def _group(node: Element) -> Element | None:
    parent = node.getparent()
    return parent if parent is not None and local_name(parent) == "fig-group" else None


def _group_id(node: Element) -> list[str]:
    group = _group(node)
    return [] if group is None else [group.get("id") or ""]


def _group_label(node: Element) -> str:
    group = _group(node)
    return "" if group is None else clean_text(group.find("label"))


def _caption(node: Element) -> str:
    group = _group(node)
    parts = ("" if group is None else caption_text(group), caption_text(node))
    return " ".join(part for part in parts if part)


def _licence(node: Element, of_article: str) -> str:
    """A figure's own licence; the article's, unless the figure is somebody else's."""
    own = find_licence(node)
    if own != UNKNOWN or node.find(".//permissions") is not None:
        return own
    return figure_licence(" ".join(node.itertext()), of_article)  # type: ignore[arg-type]


def figure_licence(text: str, of_article: str) -> str:
    """The article's licence, or ``unknown`` where a figure's text says that it is used by leave."""
    return UNKNOWN if BY_PERMISSION.search(" ".join(text.split())) else of_article


def _graphics(node: Element) -> list[str]:
    """The image files of a figure, in order: no thumbnails, and of alternatives the first."""
    names: dict[str, str] = {}
    for name in _links(node):
        path = PurePosixPath(name)
        stem = path.stem if _suffix(name) in SUFFIXES else path.name
        names.setdefault(stem.lower(), name)
    return list(names.values())


def _links(node: Element) -> Iterator[str]:
    chosen: set[Element] = set()
    own = node.get(XLINK)
    if own and local_name(node) == "supplementary-material":
        yield own.strip()
    for link in node.iter("graphic", "media"):
        parent, name = link.getparent(), (link.get(XLINK) or "").strip()
        is_image = link.tag == "graphic" or _suffix(name) in SUFFIXES
        if not name or not is_image or "thumb" in (link.get("specific-use") or "").lower():
            continue
        if parent is not None and local_name(parent) == "alternatives":
            if parent in chosen:
                continue
            chosen.add(parent)
        if next(link.iterancestors("fig", "supplementary-material"), None) is node:
            yield name


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def read_image(
    figure: Figure, path: Path | None, folder: Path, root: Path, max_pixels: int
) -> ImageRecord | Reject:
    """The image of a figure, which ``find_image`` found at ``path`` for an article in ``folder``.

    A Reject where there is none or it is broken, and where it lies elsewhere. Names in articles are
    untrusted: one may not lead out of the folder, to the image of another article. Nor may a link
    lead out of ``root``, but to an object of DVC's cache, which may have linked every file to it.
    """
    if path is None:
        return Reject(figure.origin, "no-image", figure.graphic[:200])
    if not _is_own(path, folder, root):
        return Reject(figure.origin, "path-outside", figure.graphic[:200])
    content = path.read_bytes()
    try:
        facts = check_image(content, max_pixels)
    except BadImage as bad:
        return Reject(figure.origin, bad.reason, f"{path.name}: {bad.detail}")
    return ImageRecord(
        id=hash_bytes(content),
        bytes=content,
        format=facts.format,
        width=facts.width,
        height=facts.height,
        modality=figure.modality,
        origin=figure.origin,
    )


def _is_own(path: Path, folder: Path, root: Path) -> bool:
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
        return False
    target = path.resolve()
    is_cached = CACHED.search(target.as_posix()) is not None
    return target.is_relative_to(root.resolve()) or is_cached


def find_image(name: str, folder: Path) -> Path | None:
    """The file that a graphic names: as it is, then with other suffixes, case or folder.

    A bounded number of names is tried, so that a folder of a million files costs no more.
    """
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        return None
    for candidate in _candidates(name):
        path = folder / candidate
        if path.suffix.lower() in SUFFIXES and path.is_file():
            return path
    return None


def _candidates(name: str) -> Iterator[str]:
    stem = name[: -len(_suffix(name))] if _suffix(name) in SUFFIXES else name
    base = PurePosixPath(stem).name
    yield name
    for form in dict.fromkeys((stem, base, base.lower(), base.upper())):
        for suffix in SUFFIXES:
            yield form + suffix
            yield form + suffix.upper()
