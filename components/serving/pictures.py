"""The picture that is asked about: a file, DICOM or bytes, checked before it is trusted.

Nothing of it is stored; so text in the pixels of a DICOM file, which training refuses, is read.
"""

from __future__ import annotations

from pathlib import Path

from components.errors import UserError
from components.readers.images import FORMATS, BadImage, check_image

MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 30
MAGIC, MAGIC_AT = b"DICM", 128  # PS3.10, section 7.1
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".dcm", ".dicom")
ADVICE = {
    "too-many-pixels": "give a smaller one: models look at some hundred pixels a side",
    "multi-frame": "say which of its frames: --frame first or --frame middle",
    "no-pixels": "give a DICOM file of an image: reports and plans hold none",
    "unsupported-compression": "convert it first, for example with dcmdjpeg or gdcmconv --raw",
}
CONVERT = f"give a whole {', '.join(FORMATS)} or DICOM file"


def read_picture(image: bytes | Path, frame: str = "") -> bytes:
    """An encoded image that can be decoded, of a file or of its bytes; DICOM becomes PNG.

    ``frame`` says which one of a DICOM file's: ``first`` or ``middle``. UserError names the file
    and what is wrong with it.
    """
    name = plain(str(image)) if isinstance(image, Path) else "the image"
    content = _read_file(image) if isinstance(image, Path) else image
    suffix = image.suffix.lower() if isinstance(image, Path) else ""
    try:
        if content[MAGIC_AT:][: len(MAGIC)] == MAGIC or suffix in (".dcm", ".dicom"):
            return _draw_dicom(content, frame)
        check_image(content, MAX_PIXELS)
    except BadImage as bad:
        raise UserError(
            f"{name} cannot be read", why=str(bad).removesuffix(": "),
            next_command=ADVICE.get(bad.reason, CONVERT),
        ) from None  # fmt: skip
    return content


def list_pictures(folder: Path) -> list[Path]:
    """The images of a folder by their suffixes, in the order of names; UserError without any.

    Links to nothing and pipes are among them: ``read_picture`` says that they are no images.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", next_command="check the path for a slip")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.is_dir())
    if not found:
        num = sum(1 for _ in folder.iterdir())
        raise UserError(
            f"{folder} holds no image",
            why=f"none of its {num} entries ends in {', '.join(SUFFIXES)}",
            next_command="name the folder that holds the files themselves",
        )
    return found


def plain(name: str) -> str:
    """A name as one line of characters that can be seen: others, as a file's name may hold, are
    written as escapes, so that it neither forges a line, nor commands a terminal, nor cannot be
    encoded."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        is_folder = path.is_dir()
        raise UserError(
            f"there is no image {plain(str(path))}", why="it is a folder" if is_folder else "",
            next_command="name a file in it; biomedgpt predict --folder asks about all of them"
            if is_folder else "check the path for a slip",
        )  # fmt: skip
    if path.stat().st_size > MAX_BYTES:
        raise UserError(
            f"{plain(str(path))} is too large for an image",
            why=f"it has {path.stat().st_size:,} bytes, at most {MAX_BYTES:,} are read",
        )
    try:
        return path.read_bytes()
    except OSError as error:  # rights, or a drive that is gone: of this file, not of all that wait
        raise UserError(
            f"{plain(str(path))} cannot be read", why=error.strerror or str(error),
            next_command="see whether you may open it, and whether its drive is still there",
        ) from None  # fmt: skip


def _draw_dicom(content: bytes, frame: str) -> bytes:
    from components.readers.dicom import read_dicom_png

    return read_dicom_png(content, frame, keep_burned_in=True)
