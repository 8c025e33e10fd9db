"""The lists of figures that LLaVA-Med and BioMed-VITAL publish, read for the bucket of 2026.

A line of ``llava_med_image_urls.jsonl`` (``PMC_image_urls.jsonl`` is the same file) names a
package that NLM has taken down, and the figure in it:

    {"pair_id": "28104940_F2",
     "pmc_tar_url": "https://ftp.ncbi.nlm.nih.gov/pub/pmc/oa_package/83/41/PMC6149739.tar.gz",
     "image_file_path": "PMC6149739/gr2.jpg"}

(Keys as read by llava/data/download_images.py of microsoft/LLaVA-Med; the figure was copied to
``<pair_id>.jpg``.) Some conversations hold the same as ``"graphic_ref":
"b8/2b/PMC5201076/IJRI-26-469-g002.jpg"``. Packages are gone, but the PMCID and the figure's name
lead to the same file in the bucket.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from components.acquire.pmc_bucket import ArticleVersion
from components.acquire.stored import is_file_name
from components.records import Reject
from components.redaction import redact
from components.storage import StoredObject

PACKAGE = re.compile(r"(?:PMC|[\w-]+-)(\d{1,12})\.t(?:ar\.)?gz", re.ASCII)  # the latter before 2012
FOLDER = re.compile(r"PMC(\d{1,12})", re.ASCII)
IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gif")
LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True)
class LegacyFigure:
    """A figure by its pair (PMID and figure number), its article, and its file's name."""

    pair: str
    pmcid: str
    file: str
    origin: str


def read_image_urls(path: Path) -> Iterator[tuple[str, LegacyFigure | Reject]]:
    """Pair ("" where a line names none) and figure, line by line; a Reject for one without."""
    with path.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), b""), start=1):
            if line.strip():
                yield _read_line(line, f"{path.name}#{number}")


def _read_line(line: bytes, origin: str) -> tuple[str, LegacyFigure | Reject]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return "", Reject(origin, "broken-json", str(error)[:200])
    if not isinstance(record, dict):
        return "", Reject(origin, "not-an-object", f"found {type(record).__name__}")
    return str(record.get("pair_id") or ""), read_record(record, origin)


def read_record(record: dict[str, Any], origin: str) -> LegacyFigure | Reject:
    """The figure of one record; a Reject where its article or its file cannot be told."""
    pair, url = str(record.get("pair_id") or ""), str(record.get("pmc_tar_url") or "")
    inside = PurePosixPath(str(record.get("image_file_path") or "").replace("\\", "/"))
    try:
        package = PACKAGE.fullmatch(PurePosixPath(unquote(urlsplit(url).path)).name)
    except ValueError as error:
        return Reject(origin, "no-pmcid", f"{redact(url)[:200]!r}: {error}")
    folder = FOLDER.fullmatch(inside.parent.name)
    number = package or folder
    if number is None:
        return Reject(
            origin, "no-pmcid", f"neither {redact(url)[:200]!r} nor {str(inside)[:100]!r} has one"
        )
    if package and folder and int(package.group(1)) != int(folder.group(1)):
        return Reject(origin, "two-pmcids", f"{redact(url)[:200]!r} and {str(inside)[:100]!r}")
    if not pair or not is_file_name(pair):
        return Reject(origin, "no-pair", f"pair_id is {pair[:100]!r}")
    if not is_file_name(inside.name):
        return Reject(origin, "no-figure-name", f"image_file_path is {str(inside)[:100]!r}")
    return LegacyFigure(pair, f"PMC{int(number.group(1))}", inside.name, origin)


def find_figure(name: str, version: ArticleVersion) -> StoredObject | None:
    """The image of a version that a name means: with or without its suffix, in any case.

    JATS names graphics without a suffix, and a figure may be kept as another kind of image than
    it was; of several the one whose name fits best, then in the order of IMAGES.
    """
    exact = version.files.get(name)
    if exact and PurePosixPath(name).suffix.lower() in IMAGES:
        return exact
    wanted = {name.lower(), _stem(name)}
    fitting = [
        (IMAGES.index(suffix), other)
        for other in version.files
        if (suffix := PurePosixPath(other).suffix.lower()) in IMAGES and _stem(other) in wanted
    ]
    return version.files[min(fitting)[1]] if fitting else None


def _stem(name: str) -> str:
    """A name in lower case, without the suffix of an image."""
    path = PurePosixPath(name.lower())
    return path.stem if path.suffix in IMAGES else path.name
