"""DICOM as pictures: windows, photometric interpretations, frames, and what is refused."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
)

from components.readers.dicom import describe_series, read_dicom_png
from components.readers.images import BadImage
from components.readers.pictures import find_picture

RAMP = np.arange(0, 4000, 1000, np.int16).reshape(2, 2)


def write(path: Path, pixels: Any = RAMP, **elements: Any) -> Path:
    """A DICOM file of 16-bit grey, or of 8-bit RGB, with these elements on top."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.Modality = "1.2.840.10008.5.1.4.1.1.7", "OT"
    data.SOPInstanceUID = "1.2.3"
    data.Rows, data.Columns = pixels.shape[-2:] if pixels.dtype != np.uint8 else pixels.shape[:2]
    is_rgb = pixels.dtype == np.uint8
    data.SamplesPerPixel = 3 if is_rgb else 1
    data.PhotometricInterpretation = "RGB" if is_rgb else "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 if is_rgb else 16
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0 if is_rgb else 1
    if is_rgb:
        data.PlanarConfiguration = 0
    data.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def read(path: Path, **options: Any) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(read_dicom_png(path, **options))))


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, [0, 85, 170, 255]),
        ({"PhotometricInterpretation": "MONOCHROME1"}, [255, 170, 85, 0]),
        ({"WindowCenter": 1500.5, "WindowWidth": 1001}, [0, 0, 255, 255]),
        ({"WindowCenter": [1500, 9], "WindowWidth": [3000, 9]}, [0, 85, 170, 255]),
        ({"WindowCenter": 1000, "WindowWidth": 0}, [0, 85, 170, 255]),
        (
            {"WindowCenter": 1000, "WindowWidth": 2000, "VOILUTFunction": "LINEAR_EXACT"},
            [0, 128, 255, 255],
        ),
        (
            {"WindowCenter": 1000, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"},
            [0, 128, 255, 255],
        ),
        (
            {
                "RescaleSlope": "0.0001",
                "RescaleIntercept": "0",
                "WindowCenter": "0.1",
                "WindowWidth": "0.2",
                "VOILUTFunction": "LINEAR_EXACT",
            },
            [0, 128, 255, 255],
        ),
        (
            {"RescaleSlope": 1, "RescaleIntercept": -1000, "WindowCenter": 0, "WindowWidth": 2001},
            [0, 127, 255, 255],
        ),
        ({"PixelPaddingValue": 3000}, [0, 128, 255, 255]),
    ],
)
def test_grey_is_windowed_as_the_file_says(
    tmp_path: Path, elements: dict[str, Any], expected: list[int]
) -> None:
    found = read(write(tmp_path / "a.dcm", **elements)).ravel().astype(int)
    assert np.abs(found - expected).max() <= 1, found


def test_a_table_of_values_comes_before_a_window(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.LUTData = np.array([255, 100, 50, 0], np.uint16).tobytes()
    pixels = np.arange(4, dtype=np.int16).reshape(2, 2)
    path = write(
        tmp_path / "a.dcm", pixels, VOILUTSequence=Sequence([table]), WindowCenter=1, WindowWidth=1
    )
    assert read(path).ravel().tolist() == [255, 100, 50, 0]


def test_dark_borders_are_cut_off_where_the_card_says_so(tmp_path: Path) -> None:
    pixels = np.zeros((6, 8), np.int16)
    pixels[2:5, 3:7] = 1000
    write(tmp_path / "a.dcm", pixels)
    found = find_picture("a.dcm", tmp_path, tmp_path, "o", {"crop": "otsu"})
    assert isinstance(found, bytes)
    assert Image.open(io.BytesIO(found)).size == (4, 3)


def test_colours_stay(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(read(write(tmp_path / "a.dcm", pixels)), pixels)


def test_a_picture_of_one_value_is_black(tmp_path: Path) -> None:
    assert not read(write(tmp_path / "a.dcm", np.full((2, 2), 7, np.int16))).any()


def test_frames_are_chosen_by_the_card_alone(tmp_path: Path) -> None:
    frames = np.stack([RAMP, RAMP[::-1], RAMP])
    path = write(tmp_path / "a.dcm", frames, NumberOfFrames=3)
    with pytest.raises(BadImage, match="multi-frame: 3 frames") as caught:
        read(path)
    assert caught.value.reason == "multi-frame"
    assert read(path, frame="first").ravel().tolist() == [0, 85, 170, 255]
    assert read(path, frame="middle").ravel().tolist() == [170, 255, 0, 85]


def test_text_in_the_pixels_is_refused_unless_the_card_keeps_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", BurnedInAnnotation="YES")
    with pytest.raises(BadImage, match="burned-in-text"):
        read(path)
    assert read(path, keep_burned_in=True).shape == (2, 2)
    assert read(write(tmp_path / "b.dcm", BurnedInAnnotation="NO")).shape == (2, 2)


@pytest.mark.parametrize("said", ["yes", "Yes", " YES", ["YES", "YES"], ["NO", "YES"]])
def test_a_flag_of_text_in_the_pixels_counts_however_it_is_written(
    tmp_path: Path, said: str | list[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom knows that it should be YES or NO
        path = write(tmp_path / "a.dcm", BurnedInAnnotation=said)
    with pytest.raises(BadImage, match="burned-in-text"):
        read(path)


def spoil_pixels(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-4])


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Rows": 65535, "Columns": 65535}, "too-many-pixels"),
        ({"BitsAllocated": 12}, "broken-image"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "broken-image"),
        ({"syntax": JPEGLSLossless}, "unsupported-compression"),
    ],
)
def test_what_cannot_be_decoded_says_why(
    tmp_path: Path, elements: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "a.dcm"
    if "syntax" in elements:
        from pydicom.encaps import encapsulate

        elements = elements | {"PixelData": encapsulate([b"\xff\xd8\xff\xd9"])}
    with pytest.raises(BadImage) as caught:
        read(write(path, **elements))
    assert caught.value.reason == reason
    if reason == "unsupported-compression":
        assert "needs gdcm or pylibjpeg" in caught.value.detail


@pytest.mark.parametrize("content", [b"", b"no dicom", b"\x89PNG\r\n" * 50, b"\0" * 400])
def test_other_files_are_not_dicom(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    for attempt in (read, describe_series):
        with pytest.raises(BadImage) as caught:
            attempt(path)
        assert caught.value.reason == "not-dicom"


def test_deflated_files_are_read_up_to_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.dcm", syntax=DeflatedExplicitVRLittleEndian)
    assert read(path).ravel().tolist() == [0, 85, 170, 255]
    monkeypatch.setattr("components.readers.dicom.MAX_DEFLATED_BYTES", 10)
    with pytest.raises(BadImage, match="unsupported-compression: a deflated file of this size"):
        read(path)


def test_a_damaged_description_is_no_traceback(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", SeriesInstanceUID="1.2.3.4", SeriesDescription="Crop ")
    assert describe_series(path) == ("1.2.3.4", "crop")
    path.write_bytes(path.read_bytes().replace(b"\x20\x00\x0e\x00UI", b"\x20\x00\x0e\x00SI"))
    with pytest.raises(BadImage, match="not-dicom"):
        describe_series(path)


def test_cut_files_are_broken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", np.zeros((40, 40), np.int16))
    spoil_pixels(path)
    with pytest.raises(BadImage, match="broken-image"):
        read(path)


# What becomes of each real file: the size of its picture, or the reason why there is none.
REAL = {
    "CT_small": (128, 128), "MR_small": (64, 64), "MR_small_RLE": (64, 64),
    "MR_small_bigendian": (64, 64), "MR_small_implicit": (64, 64), "JPEG2000": (1024, 256),
    "SC_rgb_rle": (100, 100, 3), "SC_ybr_full_422_uncompressed": (100, 100, 3),
    "examples_jpeg2k": (480, 640, 3), "examples_palette": (350, 800, 3),
    "liver_1frame": (512, 512), "MR_truncated": "broken-image", "badVR": "broken-image",
    "JPEG-lossy": "unsupported-compression",  # sound: 12 bits, which Pillow does not decode
    "SC_rgb_jpeg_gdcm": "unsupported-compression", "reportsi": "no-pixels",
    "rtplan_truncated": "no-pixels", "no_meta": "not-dicom", "empty_charset_LEI": "not-dicom",
    "meta_missing_tsyntax": "not-dicom",
}  # fmt: skip


def test_every_real_file_is_a_picture_or_a_reason(shared_data: Path) -> None:
    found: dict[str, Any] = {}
    for path in sorted((shared_data / "dicom").glob("*.dcm")):
        try:
            found[path.stem] = read(path).shape
        except BadImage as bad:
            found[path.stem] = bad.reason
    assert found == REAL


def test_one_picture_in_four_encodings_is_one_picture(shared_data: Path) -> None:
    names = ("MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit")
    first, *others = (read(shared_data / "dicom" / f"{name}.dcm") for name in names)
    assert all(np.array_equal(first, other) for other in others)
