"""What the model cannot take is named at its entry, before something fails deep inside.

Shape letters: B samples, T tokens, N positions of a source.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.errors import UserError


def check_ids(ids_BT: Tensor, num_ids: int, what: str) -> None:
    """Raise UserError, with the id and the vocabulary's size, unless all are in [0, num_ids).

    Looked at on the CPU only: on a GPU the answer would make the host wait for the device, and
    inside a compiled graph it would cut the graph in two.
    """
    if ids_BT.device.type != "cpu" or not ids_BT.numel() or torch.compiler.is_compiling():
        return
    lowest, highest = (int(bound) for bound in ids_BT.aminmax())
    if lowest >= 0 and highest < num_ids:
        return
    wrong = lowest if lowest < 0 else highest
    raise UserError(
        f"{what} id {wrong} is out of range: the model's vocabulary has {num_ids} entries",
        why="the tokens were made with another vocabulary than the model's",
        next_command="use the vocabulary that the checkpoint was trained with",
    )


def check_grid(rows: int, columns: int, side: int) -> None:
    """Raise UserError for an image of more cells than there are positions.

    One that is only too wide would take positions of other rows, and nobody would notice.
    """
    if max(rows, columns) > side:
        raise UserError(
            f"an image of {rows} x {columns} cells does not fit the model's {side} x {side}",
            why="a cell is 16 x 16 pixels, and every cell has a position of its own",
            next_command=f"make images of at most {16 * side} pixels on a side",
        )


def check_visible(padding_BN: Tensor | None) -> None:
    """Raise UserError, with the sample's number, where nothing of a source may be seen.

    Looked at on the CPU only, as ``check_ids`` is.
    """
    if padding_BN is None or padding_BN.device.type != "cpu" or torch.compiler.is_compiling():
        return
    empty = padding_BN.all(1).nonzero().flatten().tolist()
    if empty:
        raise UserError(
            f"source {empty[0]} of the batch holds nothing but padding, and no image",
            why="attention over nothing has no value",
            next_command="give every source at least bos and eos",
        )


def check_sampled(num_sampled: int, num_cells: int) -> None:
    """Raise UserError where more cells are to be drawn than there are."""
    if num_sampled > num_cells:
        raise UserError(
            f"{num_sampled} patches are to be drawn from an image of {num_cells} cells",
            next_command="lower sampled_patches, or raise image_px, in params.yaml",
        )
