"""What transformers and peft hand to every model: taken where it means something here, or refused.

Shape letters: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from components.errors import UserError
from components.model.specials import PAD

EMBEDS = ("the model embeds ids itself, as padding and positions follow from them", "give ids")
UNSUPPORTED = {
    "inputs_embeds": EMBEDS,
    "decoder_inputs_embeds": EMBEDS,
    "output_attentions": ("attention weights are never materialised", "leave it out"),
}


def refuse_unsupported(given: Mapping[str, Any]) -> None:
    """UserError that names an argument of ``UNSUPPORTED`` that is set: neither None nor False."""
    for name, value in given.items():
        if value is not None and value is not False:
            why, instead = UNSUPPORTED[name]
            raise UserError(f"{name} is not supported", why=why, next_command=instead)


def refuse_unknown(given: Mapping[str, Any], where: str) -> None:
    """UserError that names the arguments that nothing takes."""
    if given:
        raise UserError(
            f"{where} knows no argument {', '.join(given)}", why="it would change nothing"
        )


def pad_masked(ids_BT: Tensor, mask_BT: Tensor | None, name: str) -> Tensor:
    """Ids with pad wherever the mask is 0.

    UserError for padding on the left: positions count from the first column, so that it would
    change what comes out.
    """
    if mask_BT is not None:
        ids_BT = ids_BT.masked_fill(mask_BT == 0, PAD)
    padding_BT = ids_BT == PAD
    on_left = (padding_BT[:, :1].any(1) & ~padding_BT.all(1)).nonzero().flatten().tolist()
    if on_left:
        raise UserError(
            f"row {on_left[0]} of {name} is padded on the left",
            why="its tokens would stand at later positions, and the answer would be another one",
            next_command='pad on the right (padding_side="right", the tokenizer\'s default)',
        )
    return ids_BT
