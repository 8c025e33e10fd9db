"""Text and images to what the model takes, by the conventions that it was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import BatchFeature, ProcessorMixin

from components.errors import UserError
from components.huggingface.images import BiomedGptImageProcessor, ImageLike
from components.huggingface.modeling import IGNORED
from components.huggingface.tokenizer import BiomedGptTokenizer
from components.lineage import hash_product, read_manifest
from components.model.specials import BOS, EOS

Texts = str | Sequence[str]


class BiomedGptProcessor(ProcessorMixin):
    """A tokenizer and an image processor behind one call.

    processor = BiomedGptProcessor.from_folder("data/models/finetuned/micro/slake")
    inputs = processor(
        images=["scan.png"], text=["Is it a CT?"], prompt=["Is it a CT?"], return_tensors="pt"
    )
    tokens = model.generate(**inputs, max_new_tokens=8)
    processor.batch_decode(tokens, skip_special_tokens=True)  # [" is it a ct? yes"]
    """

    def __init__(
        self, image_processor: BiomedGptImageProcessor, tokenizer: BiomedGptTokenizer, **more: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, **more)

    @classmethod
    def from_folder(
        cls, model: str | Path, vocabulary: str | Path = "data/vocabulary"
    ) -> BiomedGptProcessor:
        """The processor of a finished training: image size and source length of its manifest.

        Raises UserError where the vocabulary is not the one that it was trained with.
        """
        manifest = read_manifest(Path(model))
        if hash_product(Path(vocabulary)) not in manifest["inputs"].values():
            raise UserError(
                f"{model} was trained with another vocabulary than {vocabulary}",
                why="the same ids would stand for other texts",
                next_command="dvc repro, or name the vocabulary that it was trained with",
            )
        trained = manifest["settings"]
        tokenizer = BiomedGptTokenizer.from_pretrained(
            str(vocabulary), model_max_length=trained["max_source_tokens"]
        )
        return cls(BiomedGptImageProcessor(image_px=trained["image_px"]), tokenizer)

    def __call__(
        self,
        images: ImageLike | Sequence[ImageLike | None] | None = None,
        text: Texts | None = None,
        *,
        prompt: Texts | None = None,
        text_target: Texts | None = None,
        as_given: bool = False,
        return_tensors: str | None = "pt",
        **_: Any,
    ) -> BatchFeature:
        """``input_ids`` (B, S), ``attention_mask``; with images ``pixel_values``, ``image_mask``.

        ``prompt`` (what the decoder is given before the answer: the question, for visual question
        answering) becomes ``decoder_input_ids``; ``text_target`` becomes ``labels`` with eos,
        -100 where there is none, and with a prompt -100 over it. Texts are written as the tasks
        write them, in lower case after one space, unless ``as_given``. Sources are cut to the
        tokenizer's ``model_max_length``. UserError for prompts of different lengths without
        labels, which ``generate`` cannot continue (see ``generation_arguments``).
        """
        if text is None:
            raise UserError("a source needs its text", next_command='for example text=["..."]')
        sources = self._write(text, as_given)
        data = dict(self.tokenizer(sources, padding=True, truncation=True, return_tensors="pt"))
        if images is not None:
            data |= self.image_processor(images, return_tensors="pt")
            if len(data["pixel_values"]) != len(sources):
                raise UserError(f"{len(data['pixel_values'])} images for {len(sources)} texts")
        data |= self._decoder_inputs(
            self._ids(prompt, as_given, len(sources)),
            self._ids(text_target, as_given, len(sources)),
        )
        return BatchFeature(data, tensor_type=return_tensors)

    @property
    def model_input_names(self) -> list[str]:
        """What a call may give."""
        return [*self.tokenizer.model_input_names, *self.image_processor.model_input_names]

    def _write(self, texts: Texts, as_given: bool) -> list[str]:
        listed = [texts] if isinstance(texts, str) else list(texts)
        return listed if as_given else [as_written(text) for text in listed]

    def _ids(self, texts: Texts | None, as_given: bool, wanted: int) -> list[list[int]] | None:
        """Ids without bos and eos, one row per source."""
        if texts is None:
            return None
        longest = self.tokenizer.model_max_length
        rows = self.tokenizer.encode_answers(self._write(texts, as_given))
        rows = [row[:longest] for row in rows]
        if len(rows) != wanted:
            raise UserError(f"{len(rows)} prompts or targets for {wanted} texts")
        return rows

    def _decoder_inputs(
        self, prompts: list[list[int]] | None, targets: list[list[int]] | None
    ) -> dict[str, torch.Tensor]:
        if targets is not None:
            prompts = prompts or [[]] * len(targets)
            pairs = list(zip(prompts, targets, strict=True))
            inputs = [[BOS, *prompt, *target] for prompt, target in pairs]
            labels = [[IGNORED] * len(prompt) + [*target, EOS] for prompt, target in pairs]
            pad = self.tokenizer.pad_token_id
            return {"decoder_input_ids": _square(inputs, pad), "labels": _square(labels, IGNORED)}
        if prompts is None:
            return {}
        if len({len(prompt) for prompt in prompts}) > 1:
            raise UserError(
                "prompts of different lengths cannot be continued together",
                next_command="ask one by one, or use generation_arguments(..., prefixes=...)",
            )
        return {"decoder_input_ids": torch.tensor([[BOS, *prompt] for prompt in prompts])}


def as_written(text: str) -> str:
    """A text as the tasks write sources and answers: lower case, after one space."""
    return f" {text.strip().lower()}"


def _square(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    length = max(len(row) for row in rows)
    return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows])
