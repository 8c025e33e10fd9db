"""What an answer rests on: its attention over the image, and what is said without the image.

Attention is the decoder's cross-attention (Vaswani et al. 2017) at the answer's tokens, averaged
over them, over all heads and all layers. It says where the decoder read, not why it answered so:
weights and reasons can differ (Jain and Wallace 2019, arXiv 1902.10186), and a cell of the image
holds what the encoder mixed into it from others. The blank image is the evaluation's ablation.

Shape letters: L layers, H heads, T target positions, N encoder positions (P image cells, then S
text tokens), d head width.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import torch
from PIL import Image
from torch import Tensor, nn

from components.dataset.collate import pad
from components.dataset.images import ImageStore
from components.errors import UserError
from components.evaluation.predict import Answerer
from components.model.attention import Attention
from components.model.decoder import DecoderLayer
from components.model.encoder import Encoded
from components.model.model import UnifiedModel
from components.model.specials import BOS
from components.serving.served import Reply, Request, ServedModel
from components.tasks.encoding import encode_example

GREY = (128, 128, 128)  # normalised nearly 0, as the evaluation's blank picture


@dataclass(frozen=True, slots=True)
class Gaze:
    """Attention over the cells of an image, rows from the top, of which the sum is 1.

    ``image_share`` is the part of all attention that the image got, the rest went to the words;
    ``even_share`` what it would have got if every position had been read alike.
    """

    cells: list[list[float]]
    image_share: float
    even_share: float


@dataclass(frozen=True, slots=True)
class Look:
    """A reply, the reply to a grey image in the place of the true one, and where it looked.

    ``shift`` is the total variation between the two answers' probabilities: 0 where the image
    changes nothing, 1 where all of it goes to other answers; None where text is free.
    """

    reply: Reply
    blank: Reply | None = None
    shift: float | None = None
    gaze: Gaze | None = None


def look_each(model: ServedModel, requests: Sequence[Request]) -> list[Look | UserError]:
    """A reply to each request and, where it has an image, what it rests on; or why there is none.

    Questions and their blank twins are answered in the same batches.
    """
    blanks = [replace(r, image=grey_image()) for r in requests if r.image is not None]
    found = list(model.ask_each([*requests, *blanks]))
    rest = iter(found[len(requests) :])
    looks: list[Look | UserError] = []
    for request, reply in zip(requests, found, strict=False):
        blank = next(rest) if request.image is not None else None
        if isinstance(reply, UserError) or blank is None:
            looks.append(reply if isinstance(reply, UserError) else Look(reply))
        elif isinstance(blank, UserError):
            looks.append(blank)
        else:
            shift = measure_shift(reply, blank)
            looks.append(Look(reply, blank, shift, gaze(model, request, reply)))
    return looks


@cache
def grey_image() -> bytes:
    """A grey picture as a PNG; it is resized to the model's size as any other."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), GREY).save(buffer, "PNG")
    return buffer.getvalue()


def measure_shift(reply: Reply, blank: Reply) -> float | None:
    """Total variation between the probabilities of all options of two replies, 0 to 1.

    Not of those alone that a reply lists: where a set is large, most of what moved is beyond them.
    """
    if not reply.weighed or not blank.weighed:
        return None
    first = {text: math.exp(value) for text, value in reply.weighed.items()}
    second = {text: math.exp(value) for text, value in blank.weighed.items()}
    names = first.keys() | second.keys()
    return min(sum(abs(first.get(n, 0.0) - second.get(n, 0.0)) for n in names) / 2, 1.0)


@torch.no_grad()
def gaze(model: ServedModel, request: Request, reply: Reply) -> Gaze:
    """Where the decoder read while it said ``reply`` about the request's image."""
    answerer, store = model.answerer, ImageStore([], model.answerer.image_px)
    example = model._make_example(request, store)
    encoded = encode_example(
        replace(example, target=f" {reply.text}"), model.task, answerer.vocabulary,
        answerer.max_source_tokens, answerer.search.max_length_b, long_text=answerer.long_text,
    )  # fmt: skip
    states = _encode(answerer, encoded.source, store, example.image_id)
    prev_RT = pad([[BOS, *encoded.prefix, *encoded.target][:-1]]).to(answerer.device)
    weights_LHTN = cross_attention(answerer.model, states, prev_RT)
    said_N = weights_LHTN[:, :, len(encoded.prefix) :].mean((0, 1, 2))
    num_cells = said_N.numel() - len(encoded.source)
    side = math.isqrt(num_cells)  # images are square, and so are their grids
    image_P = said_N[:num_cells]
    share = float(image_P.sum())
    cells = (image_P / max(share, 1e-12)).reshape(side, -1)
    return Gaze(cells.tolist(), share, num_cells / said_N.numel())


def _encode(answerer: Answerer, source: list[int], store: ImageStore, image: str) -> Encoded:
    images_B3HW = store.batch([image]).to(answerer.device)
    return answerer.model.encode(pad([source]).to(answerer.device), images_B3HW)


@torch.no_grad()
def cross_attention(model: UnifiedModel, encoded: Encoded, prev_RT: Tensor) -> Tensor:
    """Weights (L, H, T, N) with which one source is read, each row of N summing to 1.

    The fused kernel that decodes gives no weights; they are computed again from the queries and
    keys that pass through the layers in one teacher-forced run.
    """
    with _projections_kept(model) as kept:
        model.decode(prev_RT, encoded)
    bias_HTN = model.decoder.build_biases(encoded, prev_RT.shape[1]).cross[0]
    layers = []
    for attention, (q_BTD, k_BND) in zip(_cross(model), kept, strict=True):
        heads = attention.num_heads, attention.head_dim
        q_HTd, k_HNd = (x[0].view(-1, *heads).transpose(0, 1) for x in (q_BTD, k_BND))
        layers.append((q_HTd @ k_HNd.mT * attention.scaling + bias_HTN).softmax(-1))
    return torch.stack(layers)


def _cross(model: UnifiedModel) -> list[Attention]:
    layers = cast(list[DecoderLayer], list(model.decoder.layers))
    return [layer.encoder_attn for layer in layers]


@contextmanager
def _projections_kept(model: UnifiedModel) -> Iterator[list[list[Tensor]]]:
    """What each layer's cross-attention makes of queries and keys in the block, layer by layer."""
    kept: list[list[Tensor]] = []
    hooks = []
    for attention in _cross(model):
        kept.append([torch.empty(0)] * 2)
        for index, projection in enumerate((attention.q_proj, attention.k_proj)):
            hooks.append(projection.register_forward_hook(_keep(kept[-1], index)))
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def _keep(kept: list[Tensor], index: int) -> Callable[[nn.Module, object, Tensor], None]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        kept[index] = output

    return hook
