"""The image tokens of an upload, drawn again: how much of a picture the tokens hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from components.dataset.images import draw_square, normalise
from components.errors import UserError
from components.lineage import MANIFEST, read_manifest
from components.tokenization.image import WEIGHTS, encode_images, load_tokenizer
from components.tokenization.vqgan import Vqgan
from components.web.pictures import Picture, encode_png

NAME = "image_tokenizer"  # the folder, in a model's own or in a project's models
CODE_PX = 128  # of the reference; a fitted tokenizer's manifest says its own


@dataclass(frozen=True)
class ImageTokens:
    """An image tokenizer and the side at which it reads, or why there is none."""

    tokenizer: Vqgan | None = None
    code_px: int = CODE_PX
    why_not: str = ""


def find_tokens(folder: Path) -> ImageTokens:
    """The image tokenizer in a model's folder or in the project around it."""
    places = [folder / NAME, *(p / NAME for p in folder.resolve().parents if p.name == "models"),
              Path("data/models") / NAME]  # fmt: skip
    found = next((place for place in places if (place / WEIGHTS).is_file()), None)
    if found is None:
        return ImageTokens(why_not=f"There is no image tokenizer: neither the model's folder nor "
                           f"data/models here holds {NAME}.")  # fmt: skip
    try:
        code_px = _read_side(found)
        return ImageTokens(load_tokenizer(found), code_px)
    except UserError as error:
        return ImageTokens(why_not=f"The image tokenizer cannot be read: {error.what}.")


def _read_side(folder: Path) -> int:
    if not (folder / MANIFEST).is_file():
        return CODE_PX
    return int(read_manifest(folder)["settings"].get("image_px", CODE_PX))


@torch.no_grad()
def draw_tokens(tokens: ImageTokens, picture: Picture) -> tuple[bytes, int] | None:
    """All of the picture as tokens and back, a PNG and the number of tokens; None without any."""
    if tokens.tokenizer is None:
        return None
    square = torch.from_numpy(draw_square(picture.content, tokens.code_px).copy())
    images_B3HW = normalise(square[None])
    codes_Bhw = encode_images(tokens.tokenizer, images_B3HW)
    restored_B3HW = tokens.tokenizer.decode_codes(codes_Bhw)
    return encode_png(_to_pixels(restored_B3HW[0]).numpy()), codes_Bhw.numel()


def _to_pixels(image_3HW: Tensor) -> Tensor:
    return image_3HW.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous()
