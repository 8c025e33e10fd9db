"""Images and texts as vectors: the mean of what the encoder makes of their cells or tokens.

Nothing was trained to bring images and texts near each other: compare images with images and
texts with texts. Shape letters: B items, P image cells, S tokens, N = P + S, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.dataset.collate import pad
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS, PAD
from components.tokenization.vocabulary import Vocabulary


@torch.no_grad()
def embed_pixels(model: UnifiedModel, images_B3HW: Tensor) -> Tensor:
    """Vectors (B, D) of normalised images: the mean over their cells, with an empty text."""
    device = images_B3HW.device
    nothing_BS = torch.tensor([[BOS, EOS]], device=device).expand(len(images_B3HW), -1)
    states_BND = model.encode(nothing_BS, images_B3HW).states
    return states_BND[:, : -nothing_BS.shape[1]].mean(1).float()


@torch.no_grad()
def embed_sources(model: UnifiedModel, sources: Sequence[Sequence[int]], device: str) -> Tensor:
    """Vectors (B, D) of token ids: the mean over the tokens, their ends included."""
    source_BS = pad([list(source) for source in sources]).to(device)
    kept_BS1 = (source_BS != PAD)[..., None]
    states_BSD = model.encode(source_BS).states.float()
    return (states_BSD * kept_BS1).sum(1) / kept_BS1.sum(1)


def write_source(text: str, vocabulary: Vocabulary, longest: int) -> list[int]:
    """A text as the tasks write sources: lower case after one space, between its ends, cut."""
    return [BOS, *vocabulary.encode(f" {text.strip().lower()}")[: longest - 2], EOS]
