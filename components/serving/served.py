"""A model in memory that is asked about images: ``load(folder).ask(image, question)``.

It answers as ``evaluate`` does, with the same prompts, search and closed sets. Research only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.dataset.images import ImageStore
from components.devices import pick_device
from components.errors import UserError
from components.evaluation.predict import Answerer, answer_all
from components.generation.constraints import SearchSettings
from components.lineage import hash_bytes
from components.model.weights import load_model
from components.readers.images import BadImage, check_image
from components.records import Example
from components.serving.asking import VOCABULARY, Asking, read_asking
from components.tasks.base import Task
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary

BATCH = 16
MAX_PIXELS = 100_000_000
# What a request calls its question and its text, by the fields of the kinds of task.
QUESTIONS, TEXTS = ("question", "hypothesis"), ("context", "premise", "text", "history")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: an encoded image or none, a question, the text it is about, own options."""

    image: bytes | None = None
    question: str = ""
    text: str = ""
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered. ``options``: of a closed set the likeliest, each with its log-probability.

    The log-probability is among the closed set, or of the text searched for, divided by its length
    as the search does.
    """

    text: str
    log_probability: float
    options: list[tuple[str, float]] = field(default_factory=list)


class ServedModel:
    """A model with what it needs to be asked. Its answers are the same whoever asks beside one."""

    def __init__(self, answerer: Answerer, asking: Asking) -> None:
        self.answerer, self.asking = answerer, asking
        self.task: Task = TASKS[asking.task]

    def ask(self, image: bytes | Path | None, question: str = "", **more: str) -> Reply:
        """The answer to one question about one image, given as a file or as its bytes."""
        content = read_image(image) if isinstance(image, Path) else image
        return self.ask_all([Request(content, question, **more)])[0]

    def ask_all(self, requests: Sequence[Request]) -> list[Reply]:
        """A reply to each request, in their order, answered in batches.

        UserError for a request that does not fit the model's task, or an image that cannot be read.
        """
        store = ImageStore([], self.answerer.image_px)
        examples = [self._make_example(request, store) for request in requests]
        sets = [self._find_candidates(example) for example in examples]
        answers = answer_all(self.answerer, self.task, examples, sets, store=store)
        return [
            Reply(a.text, a.log_probability,
                  list(zip(a.options, a.option_log_probabilities, strict=True)))
            for a in answers
        ]  # fmt: skip

    def _make_example(self, request: Request, store: ImageStore) -> Example:
        if self.task.needs_image and request.image is None:
            raise UserError(
                f"a model of the task {self.task.name} is asked about an image",
                next_command="give one: --image FILE",
            )
        rendered = self.task.render(self._fill(request))
        return Example(
            id="", dataset=self.asking.dataset, task=self.task.name, split="test",
            source=rendered.source, target="", prefix=rendered.prefix,
            candidates=rendered.candidates,
            image_id=_keep_image(request.image, store) if request.image is not None else "",
        )  # fmt: skip

    def _fill(self, request: Request) -> dict[str, str | list[str]]:
        """The task's fields out of a request. UserError for what is missing or has no place."""
        *asked, answer = self.task.fields  # the last one is what is to be said
        given: dict[str, str | list[str]] = {}
        for names, value, word in (
            (QUESTIONS, request.question, "question"), (TEXTS, request.text, "text"),
        ):  # fmt: skip
            (*place,) = [name for name in names if name in asked][:1]
            if value and not place:
                raise UserError(
                    f"a model of the task {self.task.name} takes no {word}",
                    why=f"it was trained on {', '.join(asked) or 'images alone'}",
                )
            if place:
                given[place[0]] = value
        if request.options:
            if "options" not in asked:
                raise UserError(f"a model of the task {self.task.name} takes no options")
            given["options"] = list(request.options)
        wanted = [name for name in asked if name not in ("history", "context", "options")]
        missing = [name for name in wanted if not given.get(name)]
        if missing:
            raise UserError(
                f"a model of the task {self.task.name} needs its {' and '.join(missing)}",
                next_command="give --question, and --text for what it is about",
            )
        return {**given, answer: ""}

    def _find_candidates(self, example: Example) -> list[str]:
        return self.asking.candidates or example.candidates


def load(folder: Path, device: str = "auto") -> ServedModel:
    """A folder that ``biomedgpt get`` gave, ready to be asked, on ``cpu`` or ``cuda``.

    UserError where a file is missing or damaged, or CUDA is wanted and there is none.
    """
    asking, device = read_asking(folder), pick_device(device)
    model = load_model(folder).to(device).eval()
    model.encoder.embed_images.fold_batch_norm()
    search = SearchSettings(
        beam=asking.beam,
        max_length_b=asking.max_target_tokens,
        length_penalty=asking.length_penalty,
        no_repeat_ngram=asking.no_repeat_ngram,
    )
    answerer = Answerer(
        model=model,
        vocabulary=Vocabulary.load(folder / VOCABULARY),
        image_px=asking.image_px,
        max_source_tokens=asking.max_source_tokens,
        batch=BATCH,
        device=device,
        search=search,
        long_text=asking.long_text,
    )
    return ServedModel(answerer, asking)


def read_image(path: Path) -> bytes:
    """An image file's bytes; UserError where there is none."""
    if not path.is_file():
        raise UserError(f"there is no image {path}", next_command="check the path for a slip")
    return path.read_bytes()


def _keep_image(content: bytes, store: ImageStore) -> str:
    """The id under which an image is kept for this batch; it is checked before it is trusted."""
    try:
        check_image(content, MAX_PIXELS)
    except BadImage as bad:
        raise UserError(
            "the image cannot be read", why=str(bad),
            next_command="give a PNG, JPEG, GIF, BMP, TIFF or WEBP file",
        ) from None  # fmt: skip
    name = hash_bytes(content)
    store.encoded[name] = content
    return name
