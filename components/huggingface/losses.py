"""The loss that the classes of transformers give with labels.

Shape letters: R target rows, T target tokens, V vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from components.errors import UserError
from components.model.specials import PAD

IGNORED = -100


def token_loss(logits_RTV: Tensor, labels_RT: Tensor) -> Tensor:
    """Mean cross-entropy in float32 over the labels that are neither -100 nor pad.

    Raises UserError where labels and logits do not stand at the same positions.
    """
    if logits_RTV.shape[:2] != labels_RT.shape:
        raise UserError(
            f"labels of shape {tuple(labels_RT.shape)} for {tuple(logits_RTV.shape[:2])} positions",
            next_command="give as many decoder_input_ids as labels, and no logits_to_keep",
        )
    labels_RT = labels_RT.masked_fill(labels_RT == PAD, IGNORED)
    return F.cross_entropy(
        logits_RTV.flatten(0, 1).float(), labels_RT.flatten(), ignore_index=IGNORED
    )
