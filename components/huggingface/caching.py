"""Incremental decoding behind the names by which ``generate`` knows a cache.

Shape letters: B sources, R target rows (a multiple of B), T new target tokens, D width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from components.errors import UserError
from components.model.encoder import Encoded
from components.model.model import UnifiedModel
from components.model.specials import PAD

FIRST_POSITIONS = 64


class DecoderCache:
    """Our decoder's cache: keys and values so far, cross keys once per source, position biases.

    Biases are built for 64 positions, or as many as the model has, and rebuilt for twice as many
    when these are used up, as nothing tells ``forward`` how long the target will be; every other
    step computes its own positions only. Beams share their source's cross keys, which
    transformers' own caches copy.
    """

    is_compileable = False

    def __init__(self, unified: UnifiedModel, encoded: Encoded, code_mask_B: Tensor | None) -> None:
        self.unified, self.encoded, self.code_mask_B = unified, encoded, code_mask_B
        only_codes = code_mask_B is not None and bool(code_mask_B.all())
        self.most = unified.config.max_positions + int(only_codes)  # 1,024 codes follow a bos
        self.capacity = min(FIRST_POSITIONS, self.most)
        self.state = unified.start_cache(encoded, self.capacity, code_mask_B)

    def decode(self, new_RT: Tensor) -> Tensor:
        """Features (R, T, D) of new tokens, which follow those of earlier calls.

        Raises UserError for padding in a prompt: rows of different lengths would stand at the
        wrong positions.
        """
        past = self.state.length
        if past == 0 and bool((new_RT == PAD).any()):
            raise UserError(
                "decoder_input_ids of different lengths cannot be continued",
                why="what follows the padding would stand at the wrong position",
                next_command="force the prompts instead: generation_arguments(..., prefixes=...)",
            )
        self._make_room(past + new_RT.shape[1])
        # The embeddings of earlier tokens are not looked at again, so any id stands for them.
        prev_RT = F.pad(new_RT, (past, 0), value=PAD)
        return self.unified.decode(prev_RT, self.encoded, self.code_mask_B, self.state)

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002 - all layers are alike
        """Number of target tokens that are kept."""
        return self.state.length

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Let row i go on from row ``beam_idx[i]``; rows stay with their source."""
        self.state.reorder(beam_idx)

    def _make_room(self, length: int) -> None:
        if length <= self.capacity:
            return
        codes = self.code_mask_B
        self.unified.check_target(length, codes)
        self.capacity = max(length, min(2 * length, self.most))
        self.state.biases = self.unified.decoder.build_biases(self.encoded, self.capacity, codes)
