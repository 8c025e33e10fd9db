"""Token ids at the model's entry: one out of range is named, before an embedding fails deep inside.

Shape letters: B samples, T tokens.
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
