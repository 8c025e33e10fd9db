"""What a training run takes: of memory, before it runs, and of operations, step by step.

Weights, gradients, moments and average are counted exactly. Activations are what autograd keeps
for the backward pass, tensor by tensor of the modules in components/model, in the order in which
they stand there; tests compare them with what autograd keeps. Where the device is a GPU they
follow torch's rules for autocast and its memory-efficient attention, read and not measured.

Shape letters: B samples, b is 1 where all share their positions, H heads, P image cells, S source
tokens, N = P + S, T target tokens, M positions with a target, D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.model.config import ModelConfig
from components.model.flops import BatchShape, Trained, parameters_by_part, step_flops
from components.model.vision_shapes import trunk_convolutions
from components.training.losses import CHUNK_TOKENS
from components.training.objective import Batch, Objective, counted
from components.training.step import Parts

FULL = 4  # bytes of float32, in which weights, optimizer and residuals are kept
INDEX = 8


@dataclass(frozen=True)
class Placement:
    """How the run is spread. ``shards`` is over how many devices layers are split (FSDP); 1 for
    one device and for DDP. ``checkpointed``: layers are computed again in the backward pass."""

    device: str = "cuda"
    bfloat16: bool = True
    shards: int = 1
    checkpointed: bool = False
    has_average: bool = False
    dropout: bool = True

    @property
    def product(self) -> int:
        """Bytes of an operand of a matrix product."""
        return 2 if self.bfloat16 else FULL

    @property
    def splits_bias(self) -> bool:
        """Whether encoder attention is components/model/split_bias.py."""
        return self.device == "cpu" and not self.bfloat16

    @property
    def mask(self) -> int:
        """Bytes that dropout keeps of a number: a bool from the fused kernel, else a factor."""
        if not self.dropout:
            return 0
        return 1 if self.device == "cuda" else FULL


def memory_by_part(
    config: ModelConfig, shape: BatchShape, placement: Placement, trained: Trained | None = None
) -> dict[str, int]:
    """Bytes on one device when it needs most: at the end of a micro-batch's forward pass, with the
    gradients of an earlier one still there."""
    trained = trained or Trained()
    held = _held(parameters_by_part(config), placement)
    learnt = trained_parameters(config, trained, placement)
    statistics = 2 * sum(c.planes for c in trunk_convolutions(config))
    buckets = 2 * INDEX * config.max_positions**2  # of encoder and decoder, for the text
    workspace = _workspace(config, shape, placement)
    return {
        "weights": FULL * (held + statistics) + buckets,
        "gradients": FULL * learnt,
        "optimizer moments": 2 * FULL * learnt,
        "average": FULL * (held + statistics) * placement.has_average,
        "activations": activation_bytes(config, shape, placement, trained),
        **workspace,
    }


def flops_of_step(
    config: ModelConfig,
    parts: Parts,
    objective: Objective,
    trained: Trained | None = None,
    *,
    image_px: int = 0,
) -> int:
    """Operations that an effective batch asks for, over all ranks, as ``train_step`` runs it.

    ``image_px`` is the side of images that another rank holds.
    """
    shapes = [
        shape_of(
            batch,
            objective if number == 0 else replace(objective, sampled_patches=0),
            image_px=image_px,
        )
        for number, part in enumerate(parts)
        for batch in part
    ]
    return step_flops(config, shapes, trained)


def shape_of(batch: Batch, objective: Objective, *, image_px: int = 0) -> BatchShape:
    """What a micro-batch weighs; R-Drop passes over it twice."""
    images, copies = batch.images_B3HW, 2 if objective.rdrop > 0 else 1
    absent = 0 if batch.image_mask_B is None else image_px
    return BatchShape(
        samples=copies * len(batch.source_BS),
        source_tokens=batch.source_BS.shape[1],
        target_tokens=batch.prev_BT.shape[1],
        learnt_tokens=copies * int(counted(batch.labels_BT, objective).sum()),
        image_px=absent if images is None else images.shape[-1],
        sampled_patches=objective.sampled_patches,
    )


def trained_parameters(
    config: ModelConfig, trained: Trained, placement: Placement = Placement()
) -> int:
    """Numbers of the weights that one device keeps gradients and moments of."""
    if trained.lora_rank:
        widths = 8 * config.d_model + 2 * (config.d_model + config.ffn_dim)
        both = config.encoder_layers * widths + config.decoder_layers * (
            widths + 8 * config.d_model
        )
        return trained.lora_rank * both
    parts = parameters_by_part(config)
    if not trained.trunk:
        del parts["image trunk"]
    if not trained.token_matrix:
        del parts["token matrix"]
    return _held(parts, placement)


def _held(parts: dict[str, int], placement: Placement) -> int:
    """Of the layers one device holds its share, of everything else all of it."""
    return sum(
        -(-num // placement.shards) if name.endswith("layers") else num
        for name, num in parts.items()
    )


def activation_bytes(
    config: ModelConfig, shape: BatchShape, placement: Placement, trained: Trained | None = None
) -> int:
    """What autograd keeps of one micro-batch's forward pass, in bytes.

    With LoRA it is counted as if all layers were trained, which is a little more.
    """
    encoder = _encoder_layer(config, shape, placement)
    decoder = _decoder_layer(config, shape, placement)
    layers = config.encoder_layers * encoder + config.decoder_layers * decoder
    if placement.checkpointed:  # a layer's input stays, and one layer at a time is all there
        wide = FULL * shape.samples * config.d_model
        layers = config.encoder_layers * wide * shape.positions
        layers += config.decoder_layers * wide * shape.target_tokens
        layers += max(encoder, decoder)
    trains_trunk = (trained or Trained()).trunk and not (trained or Trained()).lora_rank
    trunk = _trunk(config, shape, placement) if shape.image_px and trains_trunk else 0
    return trunk + layers + _shared(config, shape, placement)


def _encoder_layer(config: ModelConfig, shape: BatchShape, placement: Placement) -> int:
    """One layer, without the biases that outlive it."""
    rows = shape.samples * shape.positions * config.d_model
    # Where the bias is split, queries and keys carry the positions beside the content.
    attention = _attention(placement) + 2 * FULL * placement.splits_bias
    scores = _scores(config, shape, placement, shape.positions, shape.positions)
    return rows * attention + scores + _inner(config, rows, placement)


def _decoder_layer(config: ModelConfig, shape: BatchShape, placement: Placement) -> int:
    """One layer, with its keys and values of the encoder's states."""
    t, n = shape.target_tokens, shape.positions
    rows = shape.samples * t * config.d_model
    memory = shape.samples * n * config.d_model
    copies = 2 * placement.product if placement.bfloat16 else 0  # of the states, for k and v
    own = rows * _attention(placement) + _scores(config, shape, placement, t, t)
    # Over the states: input, its cast, queries, values weighed twice, projected; and a mask.
    cross = rows * (2 * FULL + 4 * placement.product + placement.mask)
    cross += memory * (2 * placement.product + copies)
    cross += _scores(config, shape, placement, t, n)
    return own + cross + _inner(config, rows, placement)


def _attention(placement: Placement) -> int:
    """Bytes of a number of the sequence in self-attention: input; what the projections read (a
    copy each under autocast); queries, keys, values; the outcome before and after the head
    scale; its projection, normed in float32; the mask of dropout."""
    read = 3 if placement.bfloat16 else 1
    return FULL + (read + 3 + 2) * placement.product + FULL + placement.mask


def _inner(config: ModelConfig, rows: int, placement: Placement) -> int:
    """The feed-forward block: GELU and the inner norm read float32, also under autocast."""
    wide = rows * config.ffn_dim // config.d_model
    product = placement.product
    return rows * (FULL + product + placement.mask) + wide * (2 * FULL + product)


def _scores(
    config: ModelConfig, shape: BatchShape, placement: Placement, queries: int, keys: int
) -> int:
    """What attention keeps of its pairs: their weights, or a normaliser from the fused kernel."""
    rows = shape.samples * config.num_heads * queries
    if placement.device == "cpu":
        return placement.product * rows * keys
    return FULL * rows


def _trunk(config: ModelConfig, shape: BatchShape, placement: Placement) -> int:
    """Maps before and after norm and rectifier, and what the pooling picked."""
    maps = list(trunk_convolutions(config, shape.image_px))
    numbers = sum(c.planes * c.side**2 * (1 + c.is_rectified) for c in maps)
    pooled = maps[0].planes * (-(-maps[0].side // 2)) ** 2
    image = 3 * shape.image_px**2
    return shape.samples * (placement.product * (numbers + pooled + image) + INDEX * pooled)


def _shared(config: ModelConfig, shape: BatchShape, placement: Placement) -> int:
    """Embeddings, final norms, and the biases of all layers, which are made before the layers."""
    d, batch, product = config.d_model, shape.samples, placement.product
    length = shape.positions + shape.target_tokens
    sequences = batch * d * length * (3 * FULL + placement.mask)  # embedded, normed at both ends
    cells = batch * shape.cells * 16 * config.trunk_width * product
    learnt = shape.learnt_tokens * d * product
    spots = shape.placements * shape.positions + shape.target_tokens
    places = spots * d * (2 * FULL + 4 * product)  # positions: normed, projected twice
    return sequences + cells + learnt + places + _biases(config, shape, placement)


def _biases(config: ModelConfig, shape: BatchShape, placement: Placement) -> int:
    """Of every encoder layer whole or, on a CPU, its relative blocks; of the decoder's as well."""
    heads, b, n, t = config.num_heads, shape.placements, shape.positions, shape.target_tokens
    buckets = INDEX * b * shape.cells**2
    if placement.splits_bias:
        blocks = b * shape.cells**2 + shape.source_tokens**2
        return FULL * heads * config.encoder_layers * blocks + buckets
    encoder = config.encoder_layers * b * n * n
    decoder = config.decoder_layers * t * t + b * t * n
    kept = 0 if placement.device == "cpu" else heads * (encoder + decoder)
    return placement.product * kept + buckets


def _workspace(config: ModelConfig, shape: BatchShape, placement: Placement) -> dict[str, int]:
    """What comes and goes: logits, the widest gradients, casts of the weights, gathered layers."""
    rows = min(shape.learnt_tokens, CHUNK_TOKENS)
    # Logits, their logarithms, and the gradients of both.
    logits = rows * config.vocabulary_size * (placement.product + 3 * FULL)
    longest = max(shape.positions, shape.target_tokens)
    wide = 2 * FULL * shape.samples * longest * config.ffn_dim
    pairs = placement.product * shape.samples * config.num_heads * longest**2
    first = 2 * placement.product * shape.samples * config.trunk_width * (shape.image_px // 2) ** 2
    parts = parameters_by_part(config)
    layers = {name: parts.pop(name) for name in ("encoder layers", "decoder layers")}
    if placement.shards == 1:  # gathered ones come as bfloat16, and go again
        parts.update(layers)
    casts = 2 * sum(parts.values()) if placement.bfloat16 else 0
    found = {"logits": logits, "workspace": max(wide + pairs, first), "casts of weights": casts}
    if placement.shards > 1:  # the layer that computes, and the next one on its way
        one = max(
            layers["encoder layers"] // config.encoder_layers,
            layers["decoder layers"] // config.decoder_layers,
        )
        found["gathered layers"] = 2 * (placement.product + FULL) * one  # weights, gradients
    return found
