"""Shape and regularisation of a model, and the sizes: one row each."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.errors import FORMAT, UserError, check_format
from components.model.specials import NUM_SPECIALS

VOCABULARY_SIZE = 59_457
MAX_DEPTH = 1000  # of layers, and of blocks of a stage; the largest model has 36
SHARES = ("dropout", "attention_dropout", "drop_path", "trunk_drop_path")
MAX_POSITIONS = 4096  # of text, and of image codes: a table of all pairs is made of each


@dataclass(frozen=True)
class ModelConfig:
    """Everything that the architecture depends on.

    ``trunk_width`` is the number of planes of the trunk's first stage; its output has 16 times as
    many channels (1,024 for every released size). ``init_std`` is the deviation of fresh weights.
    """

    vocabulary_size: int
    d_model: int
    ffn_dim: int
    encoder_layers: int
    decoder_layers: int
    num_heads: int
    trunk_blocks: tuple[int, int, int]
    trunk_width: int = 64
    max_positions: int = 1024
    token_bucket_size: int = 256
    image_bucket_size: int = 42
    code_image_size: int = 128
    attn_scale_factor: float = 2.0
    scale_resids: bool = False
    disable_entangle: bool = True
    interpolate_position: bool = False
    original_image_size: int = 256
    dropout: float = 0.1
    attention_dropout: float = 0.0
    drop_path: float = 0.1
    trunk_drop_path: float = 0.0
    init_std: float = 0.02

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.num_heads

    def to_json(self) -> str:
        """This config as stable JSON."""
        told = {FORMAT: 1, **dataclasses.asdict(self)}
        return json.dumps(told, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, **changes: Any) -> ModelConfig:
        """Read a config; a key that is unknown, missing or of another kind is a UserError.

        One that is missing has no default here: a scale of attention that nobody wrote down would
        be another model.
        """
        try:
            read = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError("config.json is no JSON", why=str(error)) from None
        if not isinstance(read, dict):
            raise UserError("config.json holds no keys", why=f"it is a {type(read).__name__}")
        read = check_format(read, "config.json")
        values, kinds = {**read, **changes}, {f.name: f.type for f in dataclasses.fields(cls)}
        if unknown := sorted(values.keys() - kinds.keys()):
            known = ", ".join(sorted(kinds))
            raise UserError(f"config.json has unknown keys {unknown}", why=f"known: {known}")
        if missing := sorted(kinds.keys() - values.keys()):
            raise UserError(f"config.json lacks {missing}", why="the architecture depends on them")
        for name, kind in kinds.items():
            if not _is_of_kind(values[name], str(kind)):
                raise UserError(f"config.json: {name} is {values[name]!r}", why=f"wanted: {kind}")
        values["trunk_blocks"] = tuple(values["trunk_blocks"])
        if fault := _find_fault(values):
            raise UserError("config.json speaks of no model that can be built", why=fault)
        return cls(**values)


def _is_of_kind(value: Any, kind: str) -> bool:
    """Whether a value out of JSON may stand for a field of this annotation."""
    if kind.startswith("tuple"):
        blocks = isinstance(value, list | tuple) and len(value) == kind.count("int")
        return blocks and all(type(number) is int for number in value)
    return type(value).__name__ == kind or (kind == "float" and type(value) is int)


def _find_fault(values: dict[str, Any]) -> str:
    """Which number out of a file no model can have; "" where all may be."""
    numbers = {name: value for name, value in values.items() if type(value) in (int, float)}
    numbers |= {f"trunk_blocks[{i}]": n for i, n in enumerate(values["trunk_blocks"])}
    for name, value in numbers.items():
        least = 1 if type(value) is int and type(getattr(ModelConfig, name, 1)) is int else 0
        if not (least <= value and math.isfinite(value)):
            return f"{name} is {value!r}"
        if name in SHARES and value > 1:
            return f"{name} is {value!r}: a share is at most 1"
    return next((words for is_so, words in _list_conflicts(values) if is_so), "")


def _list_conflicts(values: dict[str, Any]) -> Iterator[tuple[bool, str]]:
    """Whether numbers that may each be contradict each other, or ask for too much; and in words."""
    deepest = max(values["encoder_layers"], values["decoder_layers"], *values["trunk_blocks"])
    num_codes = (values["code_image_size"] // 8) ** 2
    positions, buckets = values["max_positions"], values["token_bucket_size"]
    d_model, heads, size = values["d_model"], values["num_heads"], values["vocabulary_size"]
    yield deepest > MAX_DEPTH, f"more than {MAX_DEPTH:,} layers or blocks"
    yield d_model % heads != 0, f"{d_model} wide, with {heads} heads"
    too_many = f"more than {MAX_POSITIONS:,} positions of text, or of image codes"
    yield max(positions, num_codes) > MAX_POSITIONS, too_many
    yield values["attn_scale_factor"] == 0, "attn_scale_factor is 0"
    yield size < NUM_SPECIALS, f"a vocabulary of {size}, without the special tokens"
    # Beyond the middle, distances share buckets by their logarithm to the base (P - 1) / middle.
    middle = buckets // 2
    yield middle < 1 or positions - 1 in (0, middle), f"{positions} positions in {buckets} buckets"


def _row(
    d_model: int, layers: tuple[int, int], heads: int, blocks: tuple[int, int, int], **more: Any
) -> dict[str, Any]:
    return {
        "d_model": d_model,
        "ffn_dim": 4 * d_model,
        "encoder_layers": layers[0],
        "decoder_layers": layers[1],
        "num_heads": heads,
        "trunk_blocks": blocks,
        **more,
    }


# The paper's names; 33M, 93M, 182M, 472M and 930M parameters at the released vocabulary. ``debug``
# and ``micro`` are ours: the same architecture, small enough to learn on a laptop in a minute.
SIZES: dict[str, dict[str, Any]] = {
    "debug": _row(128, (2, 2), 4, (1, 1, 1), trunk_width=16, init_std=0.088),
    "micro": _row(160, (2, 2), 5, (1, 1, 2), trunk_width=20, init_std=0.079),
    "small": _row(256, (4, 4), 4, (3, 4, 6)),
    "medium": _row(512, (4, 4), 8, (3, 4, 23)),
    "base": _row(768, (6, 6), 12, (3, 4, 23)),
    "large": _row(1024, (12, 12), 16, (3, 8, 36)),
    "xlarge": _row(1280, (24, 12), 16, (3, 8, 36)),
}


def model_config(size: str, vocabulary_size: int = VOCABULARY_SIZE, **changes: Any) -> ModelConfig:
    """The config of a named size; UserError lists the known sizes."""
    if size not in SIZES:
        raise UserError(f"no model size {size!r}", why=f"known sizes: {', '.join(SIZES)}")
    return ModelConfig(vocabulary_size=vocabulary_size, **{**SIZES[size], **changes})
