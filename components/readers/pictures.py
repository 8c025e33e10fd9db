"""The picture that a record names: its file, or, where that is DICOM, what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from components.readers.dicom import describe_series, is_dicom, read_dicom_png
from components.readers.files import MISSING, locate
from components.readers.images import BadImage
from components.readers.otsu import crop_bright
from components.records import Reject

LONGEST_NAME = 255  # bytes, of a file or a folder
OPTIONS = frozenset({"image_folder", "image_suffix", "image_prefix", "crop"}) | frozenset(
    {"series", "frame", "burned_in"}
)


def find_picture(
    name: str, beside: Path, root: Path, origin: str, options: Mapping[str, str]
) -> Path | bytes | Reject:
    """A file under ``root``, the PNG of a DICOM file, or a Reject that says why there is none.

    Options of the card: ``image_folder``, from the folder ``beside``, several with bars between
    them: the first that has the file counts; ``image_suffix``, where names lack one;
    ``image_prefix``, what names begin with and folders here do not; ``crop: otsu`` (the PNG of what
    is not dark border; see otsu.py); of DICOM, ``series`` (a word of its description; see
    ``locate_series``), ``frame`` (``first`` or ``middle`` of several), and ``burned_in: keep``.
    """
    suffix = options.get("image_suffix", "")
    for prefix in options.get("image_prefix", "").split("|"):
        name = name.removeprefix(prefix)
    name = name if name.lower().endswith(suffix.lower()) else name + suffix
    found: Path | Reject = Reject(origin, MISSING, name)
    for folder in options.get("image_folder", "").split("|"):
        if options.get("series"):
            found = locate_series(name, beside / folder, root, origin, options["series"])
        else:
            found = locate(name, beside / folder, root, origin)
        if isinstance(found, Path) or found.reason != MISSING:
            break
    if isinstance(found, Reject):
        return found
    try:
        is_cropped = options.get("crop") == "otsu"
        if not is_dicom(found):
            return crop_bright(found.read_bytes()) if is_cropped else found
        burned_in = options.get("burned_in") == "keep"
        picture = read_dicom_png(found, options.get("frame", ""), burned_in)
        return crop_bright(picture) if is_cropped else picture
    except BadImage as bad:
        return Reject(origin, bad.reason, bad.detail)


def locate_series(name: str, base: Path, root: Path, origin: str, series: str) -> Path | Reject:
    """The DICOM file of a TCIA path CASE/STUDY/SERIES/FILE whose description has ``series`` in it.

    TCIA's retrievers name studies, series and files in their own ways, and CBIS-DDSM's tables
    confuse crops with masks: what lies at the path counts only where its header agrees, else the
    one file of the case that has the description, and of several that of the path's series.
    """
    exact = locate(name, base, root, origin)
    case, _, uid = (*PurePosixPath(name).parts, "", "", "")[:3]
    is_name = 0 < len(case.encode("utf-8", "surrogateescape")) <= LONGEST_NAME
    if isinstance(exact, Reject) and (exact.reason != MISSING or not is_name):
        return exact
    try:
        if isinstance(exact, Path):
            words = describe_series(exact)[1]
            if not words or series in words:
                return exact
        files = [path for path in sorted((base / case).rglob("*")) if is_dicom(path)]
        described = [(path, *describe_series(path)) for path in files if _is_inside(path, root)]
    except BadImage as bad:
        return Reject(origin, bad.reason, bad.detail)
    fitting = [(path, found) for path, found, words in described if series in words]
    fitting = [item for item in fitting if item[1] == uid] or fitting
    if len(fitting) == 1:
        return fitting[0][0]
    if fitting:
        return Reject(origin, "ambiguous-image", f"{len(fitting)} files of {case} are {series}")
    return Reject(origin, MISSING, f"{case} has no {series}")


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())
