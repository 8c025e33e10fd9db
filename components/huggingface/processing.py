"""Text and images to what the model takes, by the conventions that it was trained with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import BatchFeature, ProcessorMixin

from components.errors import UserError
from components.huggingface.arguments import refuse_unknown
from components.huggingface.configuration import BiomedGptConfig
from components.huggingface.images import BiomedGptImageProcessor, ImageLike
from components.huggingface.losses import IGNORED
from components.huggingface.tokenizer import BiomedGptTokenizer
from components.lineage import MANIFEST, hash_product, read_manifest
from components.model.specials import BOS, EOS
from components.model.weights import CONFIG

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
        cls,
        model: str | Path,
        vocabulary: str | Path = "data/vocabulary",
        *,
        image_px: int | None = None,
        max_source_tokens: int | None = None,
    ) -> BiomedGptProcessor:
        """The processor of a finished training, or of an imported checkpoint.

        What is not given is read from the training's manifest; an imported model has none, and
        takes images of its original size and sources as long as its positions. ``vocabulary``
        is a folder of this pipeline's, or one with encoder.json, vocab.bpe and dict.txt. Raises
        UserError where the vocabulary is not the one that the model was trained with, as far as
        can be told: of an imported model, where the numbers of tokens differ.
        """
        tokenizer = BiomedGptTokenizer.from_folder(Path(vocabulary))
        if (Path(model) / MANIFEST).is_file() or not (Path(model) / CONFIG).is_file():
            trained = _trained_settings(Path(model), Path(vocabulary))
        else:
            trained = _imported_settings(Path(model), Path(vocabulary), tokenizer.vocab_size)
        tokenizer.model_max_length = max_source_tokens or trained["max_source_tokens"]
        images = BiomedGptImageProcessor(image_px=image_px or trained["image_px"])
        return cls(images, tokenizer)

    def __call__(
        self,
        images: ImageLike | Sequence[ImageLike | None] | None = None,
        text: Texts | None = None,
        *,
        prompt: Texts | None = None,
        text_target: Texts | None = None,
        as_given: bool = False,
        padding: bool | str = True,
        truncation: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        return_tensors: str | None = "pt",
        **unknown: Any,
    ) -> BatchFeature:
        """``input_ids`` (B, S), ``attention_mask``; with images ``pixel_values``, ``image_mask``.

        ``prompt`` (what the decoder is given before the answer: the question, for visual question
        answering) becomes ``decoder_input_ids``; ``text_target`` becomes ``labels`` with eos,
        -100 where there is none, and with a prompt -100 over it. Texts are written as the tasks
        write them, in lower case after one space, unless ``as_given``. ``padding``,
        ``truncation`` and ``max_length`` (of sources; else the tokenizer's ``model_max_length``)
        are those of transformers' tokenizers; a warning counts the texts that are cut. UserError
        for prompts of different lengths without labels, which ``generate`` cannot continue (see
        ``generation_arguments``), and for an argument that is none.
        """
        refuse_unknown(unknown, "BiomedGptProcessor")
        if text is None:
            raise UserError("a source needs its text", next_command='for example text=["..."]')
        sources, cuts = self._write(text, as_given), truncation not in (False, "do_not_truncate")
        if cuts:
            self._warn_of_cuts(sources, max_length or self.tokenizer.model_max_length)
        encoded = self.tokenizer(
            sources,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            return_tensors=return_tensors,
        )
        data = dict(encoded)
        if images is not None:
            data |= self.image_processor(images, return_tensors=return_tensors)
            if len(data["pixel_values"]) != len(sources):
                raise UserError(f"{len(data['pixel_values'])} images for {len(sources)} texts")
        data |= self._decoder_inputs(
            self._ids(prompt, as_given, len(sources), cuts),
            self._ids(text_target, as_given, len(sources), cuts),
        )
        return BatchFeature(data, tensor_type=return_tensors)

    @property
    def model_input_names(self) -> list[str]:
        """What a call may give."""
        return [*self.tokenizer.model_input_names, *self.image_processor.model_input_names]

    def _write(self, texts: Texts, as_given: bool) -> list[str]:
        listed = [texts] if isinstance(texts, str) else list(texts)
        return listed if as_given else [as_written(text) for text in listed]

    def _warn_of_cuts(self, sources: list[str], longest: int) -> None:
        lengths = [len(row) + 2 for row in self.tokenizer.encode_answers(sources)]
        warn_of_cuts(lengths, longest, "sources")

    def _ids(
        self, texts: Texts | None, as_given: bool, wanted: int, cuts: bool
    ) -> list[list[int]] | None:
        """Ids without bos and eos, one row per source."""
        if texts is None:
            return None
        rows: list[list[int]] = self.tokenizer.encode_answers(self._write(texts, as_given))
        if cuts:
            longest = self.tokenizer.model_max_length
            warn_of_cuts([len(row) for row in rows], longest, "prompts or targets")
            rows = [row[:longest] for row in rows]
        if len(rows) != wanted:
            raise UserError(f"{len(rows)} prompts or targets for {wanted} texts")
        return rows

    def _decoder_inputs(
        self, prompts: list[list[int]] | None, targets: list[list[int]] | None
    ) -> dict[str, list[list[int]]]:
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
        return {"decoder_input_ids": [[BOS, *prompt] for prompt in prompts]}


def _trained_settings(model: Path, vocabulary: Path) -> dict[str, Any]:
    """The settings of a finished training; UserError where its vocabulary was another one."""
    manifest = read_manifest(model)
    if hash_product(vocabulary) not in manifest["inputs"].values():
        raise UserError(
            f"{model} was trained with another vocabulary than {vocabulary}",
            why="the same ids would stand for other texts",
            next_command="dvc repro, or name the vocabulary that it was trained with",
        )
    settings: dict[str, Any] = manifest["settings"]
    return settings


def _imported_settings(model: Path, vocabulary: Path, num_ids: int) -> dict[str, Any]:
    """What an imported model's config says; UserError where it has another number of tokens."""
    config = BiomedGptConfig.from_pretrained(str(model)).shape
    if config.vocabulary_size != num_ids:
        raise UserError(
            f"{model} has {config.vocabulary_size:,} tokens, {vocabulary} has {num_ids:,}",
            why="an id must mean the same to the model and to the vocabulary",
            next_command="name the vocabulary of the checkpoint: for a released one, the folder "
            "with encoder.json, vocab.bpe and dict.txt",
        )
    return {
        "image_px": config.original_image_size,
        "max_source_tokens": config.max_positions,
    }


def as_written(text: str) -> str:
    """A text as the tasks write sources and answers: lower case, after one space."""
    return f" {text.strip().lower()}"


def warn_of_cuts(lengths: Sequence[int], longest: int, what: str) -> None:
    """Warn, with the count, where some of these lengths are above what is kept."""
    num_cut = sum(length > longest for length in lengths)
    if num_cut:
        warnings.warn(
            f"{num_cut} of {len(lengths)} {what} were cut to {longest} tokens "
            f"(the longest had {max(lengths)})",
            stacklevel=4,
        )


def _square(rows: Sequence[Sequence[int]], filler: int) -> list[list[int]]:
    length = max(len(row) for row in rows)
    return [[*row, *[filler] * (length - len(row))] for row in rows]
