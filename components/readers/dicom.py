"""DICOM files as pictures: one frame, in grey or RGB, as PNG.

Grey values are rescaled and windowed as the file says (PS3.3 C.11.1 and C.11.2), or spread from
lowest to highest where it names no window; MONOCHROME1 is turned over, so that 0 is black.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from components.readers.images import BadImage

SUFFIXES = (".dcm", ".dicom")
MAX_PIXELS = 90_000_000  # per frame; the largest mammograms have a third of it
MAX_DEFLATED_BYTES = 1 << 20  # a deflated file may be a thousand times larger inside
DEFLATED = DeflatedExplicitVRLittleEndian.encode()
LEAST_WIDTHS = dict.fromkeys(("LINEAR_EXACT", "SIGMOID"), 1e-9)  # above 0; of LINEAR it is 1
Values = npt.NDArray[Any]


def is_dicom(path: Path) -> bool:
    """Whether a file's name says that it is DICOM."""
    return path.suffix.lower() in SUFFIXES


def read_dicom_png(
    source: Path | bytes,
    frame: str = "",
    keep_burned_in: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> bytes:
    """One frame of a DICOM file, or of its bytes, as an 8-bit PNG.

    ``frame`` says which one of several: ``first`` or ``middle``. Raises BadImage: ``not-dicom``,
    ``no-pixels`` (a report, a plan), ``multi-frame`` (where ``frame`` does not say which),
    ``burned-in-text`` (the file flags text in the pixels, which may name the patient),
    ``too-many-pixels``, ``unsupported-compression``, ``broken-image``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of each deviation that it can read over
        data = open_dicom(source)
        try:
            _check(data, keep_burned_in, max_pixels)
            index = _choose_frame(int(data.get("NumberOfFrames") or 1), frame)
            picture = _show(data, pixel_array(data, index=index))
        except BadImage:
            raise
        except Exception as error:  # decoders of untrusted bytes fail in many ways
            raise BadImage("broken-image", f"{type(error).__name__}: {error}"[:200]) from error
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def open_dicom(source: Path | bytes, header_only: bool = False) -> Dataset:
    """The elements of a file or of its bytes, also without preamble or transfer syntax.

    Raises BadImage ``not-dicom`` for anything else.
    """
    try:
        if isinstance(source, Path):
            is_large = source.stat().st_size > MAX_DEFLATED_BYTES and _is_deflated(source)
        else:  # the name anywhere in it, so that no other way of reading it can miss it
            is_large = len(source) > MAX_DEFLATED_BYTES and DEFLATED in source
        if is_large:
            raise BadImage("unsupported-compression", "a deflated file of this size")
        stream = source if isinstance(source, Path) else io.BytesIO(source)
        data = dcmread(stream, force=True, stop_before_pixels=header_only)
        if "SOPClassUID" not in data and "Rows" not in data:
            raise BadImage("not-dicom", "neither a class nor a size is in it")
        if "TransferSyntaxUID" not in data.file_meta:
            data.file_meta.TransferSyntaxUID = _guess_syntax(data)
    except BadImage:
        raise
    except Exception as error:  # parsers of untrusted bytes fail in many ways
        raise BadImage("not-dicom", f"{type(error).__name__}: {error}"[:200]) from error
    return data


def describe_series(path: Path) -> tuple[str, str]:
    """The series' UID and its description in lower case, each "" where the file has none.

    Raises BadImage ``not-dicom``, also where these elements are damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = open_dicom(path, header_only=True)
        try:
            uid, words = data.get("SeriesInstanceUID"), data.get("SeriesDescription")
        except Exception as error:  # elements are parsed when they are asked for
            raise BadImage("not-dicom", f"{type(error).__name__}: {error}"[:200]) from error
    return str(uid or ""), str(words or "").strip().lower()


def _is_deflated(path: Path) -> bool:
    try:
        syntax = read_file_meta_info(path).get("TransferSyntaxUID", "")
    except Exception:  # no preamble, or not DICOM at all: dcmread judges that
        return False
    return bool(syntax == DeflatedExplicitVRLittleEndian)


def _guess_syntax(data: Dataset) -> UID:
    is_implicit, is_little = data.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian


def _check(data: Dataset, keep_burned_in: bool, max_pixels: int) -> None:
    if "PixelData" not in data:
        raise BadImage("no-pixels", str(data.get("Modality") or "no modality"))
    if "YES" in str(data.get("BurnedInAnnotation")).upper() and not keep_burned_in:
        raise BadImage("burned-in-text", "BurnedInAnnotation is YES")  # some write Yes, or twice
    height, width = int(data.get("Rows") or 0), int(data.get("Columns") or 0)
    if height * width > max_pixels:
        raise BadImage("too-many-pixels", f"{width} x {height}, allowed are {max_pixels}")
    syntax = data.file_meta.TransferSyntaxUID
    if lacking := _name_lacking(syntax, int(data.get("BitsStored") or 8)):
        name = getattr(syntax, "name", syntax)
        raise BadImage("unsupported-compression", f"{name}: pydicom needs {lacking}")


def _name_lacking(syntax: UID, bits: int) -> str:
    """The packages of which pydicom needs one to decode a file; "" where it is installed.

    Pillow's decoder takes JPEG of 8 bits alone, not the 12 of some.
    """
    try:
        decoder = get_decoder(syntax)
    except RuntimeError:  # a syntax that pydicom has no decoder for
        return "a decoder that it does not know"
    too_deep = {"pillow"} if syntax == JPEGExtended12Bit and bits > 8 else set()
    if set(decoder.available_plugins) - too_deep or not syntax.is_encapsulated:
        return ""
    return " or ".join(line.split()[0] for line in decoder.missing_dependencies)


def _choose_frame(num_frames: int, frame: str) -> int:
    if num_frames > 1 and not frame:
        raise BadImage("multi-frame", f"{num_frames} frames; options.frame does not say which")
    return num_frames // 2 if frame == "middle" else 0


def _show(data: Dataset, pixels: Values) -> npt.NDArray[np.uint8]:
    """8 bits of grey or of RGB; YBR is RGB already."""
    photometric = str(data.get("PhotometricInterpretation") or "")
    if photometric == "PALETTE COLOR":
        return _to_8_bit(
            apply_color_lut(pixels, data), data.RedPaletteColorLookupTableDescriptor[2]
        )
    if pixels.ndim == 3:
        return _to_8_bit(pixels, data.BitsStored)
    grey = _window(data, pixels)
    return 255 - grey if photometric == "MONOCHROME1" else grey


def _to_8_bit(pixels: Values, bits: int) -> npt.NDArray[np.uint8]:
    shift = max(int(bits) - 8, 0)
    return (pixels >> shift).astype(np.uint8)


def _window(data: Dataset, pixels: Values) -> npt.NDArray[np.uint8]:
    values = np.asarray(apply_modality_lut(pixels, data), np.float64)
    if "VOILUTSequence" in data:
        table = data.VOILUTSequence[0]
        values = np.asarray(apply_voi(values.astype(np.int64), data), np.float64)
        return _spread(values, 0.0, 2.0 ** int(table.LUTDescriptor[2]) - 1)
    centre, width = _first(data.get("WindowCenter")), _first(data.get("WindowWidth"))
    function = str(data.get("VOILUTFunction") or "LINEAR")
    if centre is None or width is None or width < LEAST_WIDTHS.get(function, 1.0):
        shown = values
        if "PixelPaddingValue" in data:  # what lies outside of the picture must not set its range
            shown = values[pixels != data.PixelPaddingValue]
        shown = shown if shown.size else values
        return _spread(values, float(shown.min()), float(shown.max()))
    if function == "SIGMOID":
        return _spread(1 / (1 + np.exp(-4 * (values - centre) / width)), 0.0, 1.0)
    if function == "LINEAR_EXACT":
        return _spread(values, centre - width / 2, centre + width / 2)
    return _spread(values, centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def _first(value: Any) -> float | None:
    """The first of a file's windows."""
    if value is None or isinstance(value, str):
        return None
    try:
        number = float(value)
    except TypeError:  # several of them
        return float(value[0]) if len(value) else None
    return number if np.isfinite(number) else None


def _spread(values: Values, low: float, high: float) -> npt.NDArray[np.uint8]:
    """From ``low`` as 0 to ``high`` as 255; all of one value is black."""
    if high <= low:
        return ((values > low) * np.uint8(255)).astype(np.uint8)
    scaled = (np.clip(values, low, high) - low) * (255.0 / (high - low))
    return np.asarray(scaled.round(), np.uint8)
