"""An image is looked at once, however many questions are asked about it.

The encoder reads image and question together, so that only the trunk, which sees the image alone,
can be kept: most of the time of a short question. Shape letters: B images, C channels, H and W.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import torch
from torch import Tensor, nn

MAX_IMAGES = 64  # a megabyte each at 256 pixels


class RememberedTrunk(nn.Module):
    """A trunk that keeps the features of the images that it saw last, by their pixels."""

    def __init__(self, trunk: nn.Module, max_images: int = MAX_IMAGES) -> None:
        super().__init__()
        self.trunk, self.max_images = trunk, max_images
        self.known: OrderedDict[bytes, Tensor] = OrderedDict()
        self.num_computed = 0
        self.lock = Lock()

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, C, H / 16, W / 16); equal images are computed once."""
        keys = [_hash_pixels(image) for image in images_B3HW]
        with self.lock:
            found = {key: self.known[key] for key in keys if key in self.known}
        new = {key: place for place, key in enumerate(keys) if key not in found}
        if new:
            features = self.trunk(images_B3HW[list(new.values())])
            found |= {key: own.clone() for key, own in zip(new, features, strict=True)}
        with self.lock:
            self.num_computed += len(new)
            for key in keys:
                self.known[key] = found[key]
                self.known.move_to_end(key)
            while len(self.known) > self.max_images:
                self.known.popitem(last=False)
        return torch.stack([found[key] for key in keys])


def _hash_pixels(image_3HW: Tensor) -> bytes:
    pixels = image_3HW.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(pixels.tobytes(), digest_size=16).digest() + str(pixels.shape).encode()
