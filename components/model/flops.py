"""Parameters and operations, counted from the architecture alone: no model is built.

Operations are the multiplications and additions of matrix products and convolutions, 2 m n k for
(m, k) by (k, n), as torch.utils.flop_counter counts them. They are what the model asks for: what
an implementation computes twice to save memory is not in them (Megatron-LM's "model FLOPs",
arXiv 2205.05198).

Shape letters: B samples, b is 1 where all share their positions, S source tokens, P image cells,
N = P + S, T target tokens, M positions with a target, D width, F inner width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from components.model.config import ModelConfig
from components.model.vision_shapes import Convolution, trunk_convolutions


@dataclass(frozen=True)
class BatchShape:
    """What a micro-batch weighs. Tokens are per sample, padding included; ``learnt_tokens`` are
    all positions of the batch that have a target. ``image_px`` 0: no images."""

    samples: int
    source_tokens: int
    target_tokens: int
    learnt_tokens: int
    image_px: int = 0
    sampled_patches: int = 0

    @property
    def cells(self) -> int:
        """Image cells that a sample's encoder sees."""
        return min(self.grid_cells, self.sampled_patches or self.grid_cells)

    @property
    def grid_cells(self) -> int:
        """Cells of a sample's whole image; 16 pixels a side, rounded up as the convolutions do."""
        return (-(-self.image_px // 16)) ** 2

    @property
    def positions(self) -> int:
        """Length of the encoder's sequence."""
        return self.cells + self.source_tokens

    @property
    def placements(self) -> int:
        """How many different sets of encoder positions there are: sampled cells have their own."""
        return self.samples if self.image_px and self.sampled_patches else 1


@dataclass(frozen=True)
class Trained:
    """Which weights get gradients. With ``lora_rank`` only the adapters of the layers do."""

    trunk: bool = True
    token_matrix: bool = True
    lora_rank: int = 0


@dataclass(frozen=True)
class Operations:
    """Operations of a forward pass by what their gradients need, which decides on the backward
    pass: ``stem`` is the first convolution, ``layers`` the projections of the layers, ``scores``
    the products of attention, which have no weights."""

    stem: int
    trunk: int
    image_projection: int
    layers: int
    scores: int
    positions: int
    vocabulary: int
    adapters: int

    @property
    def forward(self) -> int:
        """All of them."""
        return (
            self.stem + self.trunk + self.image_projection + self.layers + self.scores
            + self.positions + self.vocabulary + self.adapters
        )  # fmt: skip

    def backward(self, trained: Trained) -> int:
        """Operations of the backward pass: one product for the weight's gradient, if it is
        trained, and one for the input's, if anything before it is."""
        full = not trained.lora_rank
        trunk = full and trained.trunk
        return (
            trunk * (self.stem + 2 * self.trunk)  # pixels get no gradient
            + full * (1 + trunk) * self.image_projection
            + (1 + full) * self.layers
            + 2 * self.scores
            + 2 * full * self.positions
            + (1 + (full and trained.token_matrix)) * self.vocabulary
            + 2 * self.adapters
        )


def forward_operations(config: ModelConfig, shape: BatchShape, lora_rank: int = 0) -> Operations:
    """Operations of one forward pass over a micro-batch."""
    stem, *trunk = [shape.samples * c.operations for c in _convolutions(config, shape)] or [0]
    d, batch, t, n = config.d_model, shape.samples, shape.target_tokens, shape.positions
    channels = 16 * config.trunk_width
    queries = config.encoder_layers * n * n + config.decoder_layers * t * (t + n)
    return Operations(
        stem=stem,
        trunk=sum(trunk),
        image_projection=2 * batch * shape.cells * channels * d,
        layers=sum(2 * batch * rows * i * o for rows, i, o in _projections(config, shape)),
        scores=2 * 2 * batch * queries * d,  # queries by keys, weights by values
        positions=_position_operations(config, shape),
        vocabulary=2 * shape.learnt_tokens * d * config.vocabulary_size,
        adapters=sum(
            2 * batch * rows * lora_rank * (i + o) for rows, i, o in _projections(config, shape)
        ),
    )


def step_flops(
    config: ModelConfig, shapes: Iterable[BatchShape], trained: Trained | None = None
) -> int:
    """Operations that the model asks for in a step over these micro-batches, forward and back.

    Divided by the step's seconds and the device's peak it gives the model FLOP utilisation.
    """
    trained = trained or Trained()
    counted = (forward_operations(config, shape, trained.lora_rank) for shape in shapes)
    return sum(operations.forward + operations.backward(trained) for operations in counted)


def recomputed_operations(config: ModelConfig, shapes: Iterable[BatchShape]) -> int:
    """What activation checkpointing of the layers adds: their forward pass once more."""
    counted = (forward_operations(config, shape) for shape in shapes)
    return sum(operations.layers + operations.scores for operations in counted)


def _convolutions(config: ModelConfig, shape: BatchShape) -> Iterable[Convolution]:
    return trunk_convolutions(config, shape.image_px) if shape.image_px else ()


def _projections(config: ModelConfig, shape: BatchShape) -> Iterator[tuple[int, int, int]]:
    """Rows of a sample, inputs and outputs of every linear layer of encoder and decoder."""
    d, f, t, n = config.d_model, config.ffn_dim, shape.target_tokens, shape.positions
    for _ in range(config.encoder_layers):
        yield from [(n, d, d)] * 4 + [(n, d, f), (n, f, d)]
    for _ in range(config.decoder_layers):  # itself, then over the encoder's keys and values
        yield from [(t, d, d)] * 4 + [(t, d, d), (n, d, d), (n, d, d), (t, d, d)]
        yield from [(t, d, f), (t, f, d)]


def _position_operations(config: ModelConfig, shape: BatchShape) -> int:
    """Projected position embeddings and their products: one for all layers of an attention."""
    d, b, t, n = config.d_model, shape.placements, shape.target_tokens, shape.positions
    projected = 2 * b * n + 2 * t + t + b * n  # encoder; the decoder's own; from it to the encoder
    return 2 * d * d * projected + 2 * d * (b * n * n + t * t + b * t * n)


def parameters_by_part(config: ModelConfig) -> dict[str, int]:
    """Number of parameters of each part, the tied token matrix once."""
    d, f, heads = config.d_model, config.ffn_dim, config.num_heads
    linear = d * d + d
    attention = 4 * linear + heads
    inner = d * f + f + f * d + d + 2 * f + (d if config.scale_resids else 0)
    encoder = attention + inner + 3 * 2 * d
    decoder = 2 * attention + inner + 5 * 2 * d
    side = config.image_bucket_size
    tables = heads * (2 * config.token_bucket_size - 1 + (2 * side - 1) ** 2 + 3)
    embeddings = (config.max_positions + 2 + side * side + 1) * d + 2 * 2 * d
    layers = config.encoder_layers + config.decoder_layers
    projection = 16 * config.trunk_width * d + d
    return {
        "token matrix": config.vocabulary_size * d,
        "image trunk": sum(c.parameters for c in trunk_convolutions(config)),
        "encoder layers": config.encoder_layers * encoder,
        "decoder layers": config.decoder_layers * decoder,
        "positions": 2 * embeddings + 6 * linear + layers * tables,
        "image projection, types, norms": projection + 2 * d + 6 * 2 * d,
    }
