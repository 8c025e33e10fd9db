"""The unified model: images and text in; text, image codes or location bins out.

Architecture: OFA (arXiv 2202.03052), as BiomedGPT uses it. Parameter names are those of the
public checkpoints, so that importing one is a plain load.

Shape letters: B sources, R target rows (a multiple of B), S source tokens, T target tokens,
D width, V vocabulary.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from components.errors import UserError
from components.model.config import ModelConfig
from components.model.decoder import Cache, Decoder
from components.model.encoder import Encoded, Encoder
from components.model.ids import check_ids
from components.model.projection import project_rows


class UnifiedModel(nn.Module):
    """Encoder, decoder and one tied token matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.apply(partial(_initialise, std=config.init_std))

    def encode(
        self,
        source_BS: Tensor,
        images_B3HW: Tensor | None = None,
        image_mask_B: Tensor | None = None,
        *,
        num_sampled_patches: int | None = None,
        patch_orders_BK: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Encoded:
        """Encode token ids (padded with 1) and, where given, normalised images.

        ``image_mask_B`` False hides that sample's image. ``num_sampled_patches`` keeps that many
        random cells of each image (pretraining), drawn with ``generator``; ``patch_orders_BK``
        names the cells instead.
        """
        self._check_length(source_BS.shape[1], "source")
        check_ids(source_BS, self.config.vocabulary_size, "source")
        encoded: Encoded = self.encoder(
            source_BS,
            images_B3HW,
            image_mask_B,
            patch_orders_BK=patch_orders_BK,
            num_sampled=num_sampled_patches,
            generator=generator,
        )
        return encoded

    def decode(
        self,
        prev_RT: Tensor,
        encoded: Encoded,
        code_mask_B: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Features (R, T, D) of the tokens given so far; with a cache, of the new ones only.

        R may be a multiple of the sources: consecutive rows then share a source.
        ``code_mask_B`` marks the sources whose target is a grid of image codes.
        """
        self.check_target(prev_RT.shape[1], code_mask_B)
        check_ids(prev_RT, self.config.vocabulary_size, "target")
        embedded_RTD = self.encoder.embed_ids(prev_RT)
        features: Tensor = self.decoder(embedded_RTD, prev_RT, encoded, code_mask_B, cache)
        return features

    def start_cache(
        self, encoded: Encoded, max_length: int, code_mask_B: Tensor | None = None
    ) -> Cache:
        """A cache for decoding step by step, up to ``max_length`` positions."""
        self.check_target(max_length, code_mask_B)
        return self.decoder.start(encoded, max_length, code_mask_B)

    def token_matrix(self) -> Tensor:
        """The tied token matrix (V, D), to project with; call it before ``encode``.

        Autograd works from the last operation to the first: the gradient of a view that was made
        first comes last, and takes those of the looked-up rows into itself. Made later, it would
        be copied for each of them.
        """
        weight = self.encoder.embed_tokens.weight
        return weight.view_as(weight)

    def project(self, features: Tensor) -> Tensor:
        """Features (..., D) to logits (..., V), with the tied token matrix."""
        return project_rows(features, self.encoder.embed_tokens.weight)

    def forward(
        self,
        source_BS: Tensor,
        prev_BT: Tensor,
        images_B3HW: Tensor | None = None,
        image_mask_B: Tensor | None = None,
        code_mask_B: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, T, V) of teacher-forced targets."""
        encoded = self.encode(source_BS, images_B3HW, image_mask_B)
        return self.project(self.decode(prev_BT, encoded, code_mask_B))

    def check_target(self, length: int, code_mask_B: Tensor | None) -> None:
        """UserError for a target that is longer than the positions.

        Image codes have places on their grid, beyond it one that they share; text has not.
        """
        if code_mask_B is None or not bool(code_mask_B.all()):
            self._check_length(length, "target")

    def _check_length(self, length: int, what: str) -> None:
        limit = self.config.max_positions
        if length > limit:
            raise UserError(
                f"a {what} of {length} tokens does not fit the model's {limit} positions",
                next_command="lower max_source_tokens or max_target_tokens in params.yaml, "
                "or the max_length of generate",
            )


def _initialise(module: nn.Module, std: float) -> None:
    """BERT's normal(0, std); the pad row too, as the tied output projection is drawn last."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=std)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=std)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
