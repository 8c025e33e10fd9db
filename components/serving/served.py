"""A model in memory that is asked about images: ``load(folder).ask(image, question)``.

It answers as ``evaluate`` does, with the same prompts, search and closed sets. Research only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from components.dataset.images import ImageStore
from components.devices import pick_device
from components.errors import UserError
from components.evaluation.cache import Answer
from components.evaluation.calibration import Calibration
from components.evaluation.predict import MAX_OPTIONS, Answerer, answer_all
from components.generation.constraints import SearchSettings
from components.lineage import hash_bytes
from components.model.quantized import quantize_linear
from components.records import Example
from components.serving.asking import Asking
from components.serving.confidence import Confidence, rate_answer
from components.serving.embedding import embed_pixels, embed_sources, write_source
from components.serving.finding import find_model
from components.serving.memory import memory_told
from components.serving.pictures import read_picture
from components.serving.reading import read_network, read_vocabulary
from components.serving.remembering import RememberedTrunk
from components.serving.requests import (
    QUESTIONS,
    TEXTS,
    Request,
    count_words_cut,
    prepare_request,
)
from components.serving.versions import Version
from components.tasks.base import Task
from components.tasks.encoding import encode_example
from components.tasks.registry import TASKS

__all__ = ["BATCH", "QUESTIONS", "TEXTS", "Reply", "Request", "ServedModel", "load"]

BATCH = 16
UNRATED = Confidence(0.0, 0.0)
Image = bytes | Path | str  # the bytes of a file, or its path


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered.

    ``options``: of a closed set the likeliest, each with its log-probability among the set, as the
    model gives it; ``log_probability`` the chosen one's, or that of the text searched for, divided
    by its length as the search does. ``candidates``: the same options with their probabilities,
    calibrated where ``confidence`` is. ``num_cut``: words and tokens of the question or text that
    were over the limits and not read. ``weighed``: every option, as ``options``.
    """

    text: str
    log_probability: float
    options: list[tuple[str, float]] = field(default_factory=list)
    confidence: Confidence = UNRATED
    candidates: list[tuple[str, float]] = field(default_factory=list)
    num_cut: int = 0
    weighed: Mapping[str, float] = field(default_factory=dict, repr=False)

    def refusal(self, abstain_below: float) -> str:
        """Why no answer is given where its confidence is below a level; "" where it is not."""
        sure = self.confidence.value
        if sure >= abstain_below:
            return ""
        digits = 2
        while round(sure, digits) >= abstain_below:  # so that it never reads as the level itself
            digits += 1
        level = f"{abstain_below:.2f}"
        if float(level) != abstain_below:
            level = f"{abstain_below:g}"
        return f"no answer: confidence {sure:.{digits}f} is below {level}"


class ServedModel:
    """A model with what it needs to be asked. Its answers are the same whoever asks beside one."""

    def __init__(
        self,
        answerer: Answerer,
        asking: Asking,
        *,
        calibration: Calibration | None = None,
        version: Version | None = None,
    ) -> None:
        self.answerer = replace(answerer, num_options=sys.maxsize)
        self.asking, self.calibration = asking, calibration
        self.version = version or Version("not known", "")
        self.task: Task = TASKS[asking.task]

    def ask(self, image: Image | None = None, question: str = "", **more: str) -> Reply:
        """The answer to one question about one image, given as a file or as its bytes.

        ``more``: the ``text`` that the question is about, the ``task`` of an instructed model.
        """
        return self.ask_all([Request(_as_request(image), question, **more)])[0]

    def ask_all(self, requests: Sequence[Request]) -> list[Reply]:
        """A reply to each request, in their order, answered in batches.

        UserError for a request that does not fit the model's task, or an image that cannot be read.
        """
        replies = []
        for reply in self.ask_each(requests):
            if isinstance(reply, UserError):
                raise reply
            replies.append(reply)
        return replies

    def ask_each(self, requests: Iterable[Request]) -> Iterator[Reply | UserError]:
        """As ``ask_all``, batch by batch: what cannot be answered gets its error, and ends nothing.

        Requests are taken, and their files read, when their batch is answered.
        """
        waiting = iter(requests)
        while batch := list(islice(waiting, self.answerer.batch)):
            yield from self._ask_batch(batch)

    def embed_images(self, images: Sequence[Image]) -> np.ndarray:
        """Vectors (N, width) float32 of images: see components/serving/embedding.py."""
        parts = [np.zeros((0, self.answerer.model.config.d_model), np.float32)]
        for begin in range(0, len(images), self.answerer.batch):
            store = ImageStore([], self.answerer.image_px)
            batch = images[begin : begin + self.answerer.batch]
            names = [_keep_image(_as_request(image) or b"", store) for image in batch]
            with memory_told():
                pixels_B3HW = store.batch(names).to(self.answerer.device)
                parts.append(embed_pixels(self.answerer.model, pixels_B3HW).cpu().numpy())
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (N, width) float32 of texts, which are cut at the model's longest source."""
        own = self.answerer
        sources = [write_source(text, own.vocabulary, own.max_source_tokens) for text in texts]
        parts = [np.zeros((0, own.model.config.d_model), np.float32)]
        for begin in range(0, len(sources), own.batch):
            with memory_told():
                found = embed_sources(own.model, sources[begin : begin + own.batch], own.device)
                parts.append(found.cpu().numpy())
        return np.concatenate(parts)

    def _ask_batch(self, requests: Sequence[Request]) -> Iterator[Reply | UserError]:
        store = ImageStore([], self.answerer.image_px)
        prepared = [self._prepare(request, store) for request in requests]
        sound = [item for item in prepared if not isinstance(item, UserError)]
        examples = [example for example, _ in sound]
        sets = [example.candidates or self.asking.candidates for example in examples]
        with memory_told():
            answers = answer_all(self.answerer, self.task, examples, sets, store=store, warn=False)
        replies = iter(
            self._reply(answer, num_cut)
            for answer, (_, num_cut) in zip(answers, sound, strict=True)
        )
        for item in prepared:
            yield item if isinstance(item, UserError) else next(replies)

    def _prepare(self, request: Request, store: ImageStore) -> tuple[Example, int] | UserError:
        """The example, with how much of it is over the limits; or why there is none."""
        try:
            example = self._make_example(request, store)
            own, longest = self.answerer, self.answerer.max_source_tokens
            encoded = encode_example(
                example, self.task, own.vocabulary, longest, longest, long_text=own.long_text
            )
        except UserError as error:
            return error
        return example, encoded.num_cut + count_words_cut(request, self.asking)

    def _make_example(self, request: Request, store: ImageStore) -> Example:
        """The request as an example, whose image is put into the store."""
        example = prepare_request(request, self.asking)
        if request.image is None:
            return example
        return replace(example, image_id=_keep_image(request.image, store, request.frame))

    def _reply(self, answer: Answer, num_cut: int) -> Reply:
        confidence, candidates = rate_answer(answer, self.calibration)
        pairs = list(zip(answer.options, answer.option_log_probabilities, strict=True))
        return Reply(
            answer.text, answer.log_probability, pairs[:MAX_OPTIONS],
            confidence, candidates[:MAX_OPTIONS], num_cut, dict(pairs),
        )  # fmt: skip


def load(
    model: str | Path,
    device: str = "auto",
    *,
    int8: bool = False,
    greedy: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> ServedModel:
    """A model ready to be asked, on ``cpu`` or ``cuda``; ``tell`` hears of what is fetched.

    ``model`` is a folder that was shared or exported, one of this project's data/models, or an
    artifact's address. UserError where a file is missing or damaged, memory is too small, or CUDA
    is wanted and there is none.
    """
    found, device = find_model(model, tell), pick_device(device)
    vocabulary = read_vocabulary(found)
    network = read_network(found, vocabulary.size).to(device).eval()
    network.encoder.embed_images.fold_batch_norm()
    network.encoder.embed_images = RememberedTrunk(network.encoder.embed_images)  # type: ignore[assignment]
    if int8:
        network = quantize_linear(network)
    asking = found.asking
    answerer = Answerer(
        model=network,
        vocabulary=vocabulary,
        image_px=asking.image_px,
        max_source_tokens=asking.max_source_tokens,
        batch=BATCH,
        device=device,
        search=SearchSettings(
            beam=1 if greedy else asking.beam,
            max_length_b=asking.max_target_tokens,
            length_penalty=asking.length_penalty,
            no_repeat_ngram=asking.no_repeat_ngram,
        ),
        long_text=asking.long_text,
    )
    return ServedModel(answerer, asking, calibration=found.calibration, version=found.version)


def _as_request(image: Image | None) -> bytes | Path | None:
    return Path(image) if isinstance(image, str) else image


def _keep_image(image: bytes | Path, store: ImageStore, frame: str = "") -> str:
    """The id under which an image is kept for this batch; it is checked before it is trusted."""
    content = read_picture(image, frame)
    name = hash_bytes(content)
    store.encoded[name] = content
    return name
