"""Trimming dark borders: the rectangle around all that is brighter than Otsu's threshold.

Method: Otsu, A threshold selection method from gray-level histograms (1979), as the reference's
script for CheXpert uses it through OpenCV.
"""

from __future__ import annotations

import io

import numpy as np

from components.readers.images import decode_rgb


def crop_bright(content: bytes) -> bytes:
    """An encoded image as PNG without its dark borders; an even one stays whole.

    Raises BadImage where it cannot be decoded.
    """
    image = decode_rgb(content)
    grey = np.asarray(image.convert("L"))
    rows, columns = np.nonzero(grey > find_threshold(grey))
    if rows.size:
        left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
        image = image.crop((int(left), int(top), int(right) + 1, int(bottom) + 1))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def find_threshold(grey: np.ndarray) -> int:
    """The grey value (0 to 255) that parts darker from brighter pixels with the largest variance
    between the two."""
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    weight, mean = shares.cumsum(), (shares * np.arange(256)).cumsum()
    spread = weight * (1 - weight)
    variance = np.divide(
        (mean[-1] * weight - mean) ** 2, spread, out=np.zeros(256), where=spread > 1e-12
    )
    return int(variance.argmax())
