"""What was measured over time as tokens: each value a bin of the one vocabulary.

Method: Chronos (arXiv 2403.07815, section 3.1): values are divided by their mean magnitude and put
into even bins. Location bins serve as these, as they do for places in an image. The scale is lost:
where it matters, the text says it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LIMIT = 15.0  # of scaled values, beyond which they share the last bin


def quantize_signal(values: Sequence[float], num_bins: int) -> list[int]:
    """Bins, 0 to ``num_bins`` - 1, of values that are numbers; zero is in the middle."""
    array = np.asarray(values, np.float64)
    if not len(array):
        return []
    scale = float(np.abs(array).mean()) or 1.0
    shares = (np.clip(array / scale, -LIMIT, LIMIT) + LIMIT) / (2 * LIMIT)
    return [int(bin_) for bin_ in np.minimum(shares * num_bins, num_bins - 1)]
