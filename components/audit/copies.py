"""Copies of test images among training images, in one pass over each and bounded memory.

Every training image is compared with every test image by a product of matrices; the NUM_BEST most
alike are kept for each test image, and only those are laid upon each other.

What counts as alike depends on what is common: chest films resemble each other more than
photographs do. As with D. Lowe's ratio test (Distinctive image features from scale-invariant
keypoints, 2004), a copy must be much nearer to the test image than others are, for which the
farthest of its NUM_BEST stands; the nearest other one will not do, as it may be another copy.

Memory follows the test images: 14 kB of numbers and thumbnails of 8 kB for each, and thumbnails of
what is kept; training images pass by. Time follows the product of both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from components.audit.looks import (
    CROPS,
    THUMB_PX,
    WHOLE,
    Likeness,
    Vectors,
    Views,
    align,
    describe,
    mirror,
    shrink,
)
from components.readers.images import BadImage, decode_rgb
from components.records import ImageRecord, batches

NUM_BEST = 6  # training images that are looked at closely, for each test image
MIN_SEARCHED = 0.3  # correlation, before images are laid upon each other
MAX_RATIO = 0.15  # of the distances from the test image: to the copy, and to what is common
NO_DOUBT = 0.995  # correlation at which nothing else is asked
BATCH = 256
VIEWS = (0, 1)  # as it is, and without plain borders

Stream = Callable[[], Iterable[ImageRecord]]
Shown = dict[str, Views]


@dataclass
class Copies:
    """Training image to the test images that it may be a copy of; what could not be compared."""

    of: dict[str, list[tuple[str, Likeness]]] = field(default_factory=dict)
    num_images: int = 0
    flat: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)


def find_copies(
    test_ids: Collection[str], train_ids: Collection[str], images: Stream, min_alike: float
) -> Copies:
    """Pairs of a test and a training image that correlate by ``min_alike`` or more.

    ``images`` starts the stream of all images anew; one may occur several times. An image that is
    in both collections is compared with the others, never with itself.
    """
    copies = Copies()
    tests = dict(_shrink_all(images(), set(test_ids), copies))
    best = _Best(tests)
    for batch in batches(_shrink_all(images(), set(train_ids), copies), BATCH):
        best.add(dict(batch))
    copies.num_images = len({*test_ids, *train_ids})
    pairs = best.list_pairs()
    close = dict(_shrink_all(images(), {train for _, train, _ in pairs}, Copies()))
    for test, group in groupby(pairs, key=lambda pair: pair[0]):
        found = [(train, align(tests[test], close[train], flip)) for _, train, flip in group]
        for train, likeness in _tell_copies(found, min_alike):
            copies.of.setdefault(train, []).append((test, likeness))
    return copies


def _tell_copies(
    found: list[tuple[str, Likeness]], min_alike: float
) -> Iterator[tuple[str, Likeness]]:
    """Those of a test image's nearest that stand out from what is common."""
    lowest = min(likeness.correlation for _, likeness in found)
    common = lowest if len(found) == NUM_BEST else MIN_SEARCHED
    for train, likeness in found:
        stands_out = 1 - likeness.correlation <= MAX_RATIO * (1 - common)
        if likeness.correlation >= min_alike and (stands_out or likeness.correlation >= NO_DOUBT):
            yield train, likeness


def _shrink_all(
    images: Iterable[ImageRecord], wanted: set[str], copies: Copies
) -> Iterator[tuple[str, Views]]:
    """The thumbnails of each wanted image, once; what has none is noted."""
    waiting = set(wanted)
    for image in images:
        if image.id not in waiting:
            continue
        waiting.remove(image.id)
        try:
            views = shrink(decode_rgb(image.bytes))
        except BadImage:
            copies.unreadable.add(image.id)
            continue
        if views is None:
            copies.flat.add(image.id)
        else:
            yield image.id, views


class _Best:
    """The NUM_BEST training images of each test image so far, by correlation while searching."""

    def __init__(self, tests: Shown) -> None:
        self.ids = list(tests)
        self.places = {name: row for row, name in enumerate(self.ids)}
        self.views = [_describe_all(tests, view) for view in VIEWS]
        shape = (len(tests), NUM_BEST)
        self.scores = np.full(shape, -1, np.float32)
        self.trains = np.full(shape, -1, np.int64)
        self.mirrored = np.zeros(shape, np.bool_)
        self.names: list[str] = []

    def add(self, trains: Shown) -> None:
        """Compare a batch of training images with all test images."""
        views = [_describe_all(trains, view) for view in VIEWS]
        plain = self._compare(views)
        flipped = self._compare([[mirror(vectors) for vectors in view] for view in views])
        scores = np.maximum(plain, flipped)
        for column, name in enumerate(trains):
            if name in self.places:
                scores[self.places[name], column] = -1  # an image is no copy of itself
        rows = np.flatnonzero(scores.max(1) > np.maximum(self.scores[:, -1], MIN_SEARCHED))
        self._keep(rows, scores[rows], (flipped > plain)[rows])
        self.names += trains

    def _compare(self, trains: list[list[Vectors]]) -> Vectors:
        """The best correlation of each pair (tests, trains) over the crops of one of the two."""
        best = self.views[0][0] @ trains[0][0].T
        for test, train in zip(self.views, trains, strict=True):
            for of_test, of_train in zip(test, train, strict=True):
                np.maximum(best, of_test @ train[0].T, out=best)
                np.maximum(best, test[0] @ of_train.T, out=best)
        return best

    def _keep(self, rows: NDArray[np.int64], scores: Vectors, mirrored: NDArray[np.bool_]) -> None:
        first = len(self.names)
        numbers = np.broadcast_to(np.arange(first, first + scores.shape[1]), scores.shape)
        joined = np.hstack([self.scores[rows], scores])
        kept = np.argsort(-joined, axis=1, kind="stable")[:, :NUM_BEST]
        for own, new in (
            (self.scores, scores),
            (self.trains, numbers),
            (self.mirrored, mirrored),
        ):
            own[rows] = np.take_along_axis(np.hstack([own[rows], new]), kept, 1)

    def list_pairs(self) -> list[tuple[str, str, bool]]:
        """(test image, training image, whether one is mirrored) of all that are worth a look."""
        rows, columns = np.nonzero(self.scores >= MIN_SEARCHED)
        return [
            (self.ids[row], self.names[self.trains[row, column]], bool(self.mirrored[row, column]))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]


def _describe_all(shown: Shown, view: int) -> list[Vectors]:
    """The vectors (N, D) of one view of the images: the whole of it, then each of CROPS."""
    thumbs = np.array([views[view] for views in shown.values()], np.uint8)
    thumbs_NHW = thumbs.reshape(len(shown), THUMB_PX, THUMB_PX)  # also where there is none
    return [describe(thumbs_NHW, cut) for cut in (WHOLE, *CROPS)]
