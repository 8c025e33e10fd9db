"""A model of this project inside the LM Evaluation Harness: its class ``LM``, and a run of tasks.

The harness is not among this project's dependencies; install ``lm-eval`` beside it. Method of the
likelihoods: the request goes to the encoder, and before the answer as the model's kind of task says
(components/tasks), the continuation's tokens are scored by the decoder, without renormalising over
any list. Shape letters: B requests, T positions, V vocabulary.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from PIL import Image

from components.dataset.collate import pad
from components.dataset.images import ImageStore
from components.errors import UserError
from components.evaluation.predict import Answerer, answer_all
from components.lineage import hash_bytes
from components.model.specials import BOS, EOS
from components.records import Example
from components.tasks.base import Task
from components.tasks.encoding import encode_example, ends_with_eos

Scored = tuple[float, bool]  # log-likelihood, and whether each token was the likeliest


class HarnessModel(LM):  # type: ignore[misc]
    """Answers the harness' requests as one kind of task.

    Searching follows the ``answerer``'s own settings; of a request's it takes ``max_gen_toks`` and
    ``until``. UserError for sampling, and for rolling likelihoods, which a model that reads a
    source and writes a target does not have.
    """

    MULTIMODAL = True  # what the harness asks before it sends images

    def __init__(self, answerer: Answerer, task: Task) -> None:
        super().__init__()
        self.answerer, self.task = answerer, task
        self.images = ImageStore([], answerer.image_px)

    def loglikelihood(self, requests: Sequence[Instance]) -> list[Scored]:
        """Of each continuation after its context, with its image where there is one."""
        scored: dict[int, Scored] = {}
        for sees in (False, True):  # a batch is encoded with images or without
            places = [i for i, request in enumerate(requests) if _has_image(request) == sees]
            for begin in range(0, len(places), self.answerer.batch):
                chosen = places[begin : begin + self.answerer.batch]
                found = self._score([requests[place] for place in chosen])
                scored.update(zip(chosen, found, strict=True))
        return [scored[place] for place in range(len(requests))]

    def loglikelihood_rolling(self, requests: Sequence[Instance]) -> list[float]:  # noqa: ARG002
        """UserError: there is no source that a text could be the target of."""
        raise UserError(
            "this model has no rolling likelihood",
            why="it is an encoder-decoder: it scores an answer to a request, not a text alone",
            next_command="choose tasks of the kinds multiple_choice, loglikelihood, generate_until",
        )

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """The best answer of the beam search to each context, up to the first stop word."""
        found: list[str] = [""] * len(requests)
        settings = [request.args[1] for request in requests]
        for longest in sorted({_read_limit(own, self.answerer) for own in settings}):
            chosen = [
                place for place, own in enumerate(settings)
                if _read_limit(own, self.answerer) == longest
            ]  # fmt: skip
            texts = self._search([requests[place] for place in chosen], longest)
            for place, text in zip(chosen, texts, strict=True):
                found[place] = cut_at(text, settings[place].get("until", []))
        return found

    def _search(self, requests: Sequence[Instance], longest: int) -> list[str]:
        search = replace(self.answerer.search, max_length_b=longest)
        answers = answer_all(
            replace(self.answerer, search=search),
            self.task,
            [self._make_example(request) for request in requests],
            [[] for _ in requests],
            store=self.images,
        )
        return [answer.text for answer in answers]

    def _make_example(self, request: Instance) -> Example:
        context = request.args[0]
        return Example(
            id="", dataset="", task=self.task.name, split="test", source=context, target="",
            prefix=context, image_id=self._keep_image(request),
        )  # fmt: skip

    def _keep_image(self, request: Instance) -> str:
        """The id under which the first image of a request is kept; "" where it has none."""
        if not _has_image(request):
            return ""
        picture: Image.Image = request.args[2]["visual"][0]
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "PNG")
        name = hash_bytes(buffer.getvalue())
        self.images.encoded[name] = buffer.getvalue()
        return name

    @torch.no_grad()
    def _score(self, requests: Sequence[Instance]) -> list[Scored]:
        answerer, model = self.answerer, self.answerer.model
        examples = [self._make_example(request) for request in requests]
        encoded = [
            encode_example(e, self.task, answerer.vocabulary, *[answerer.max_source_tokens] * 2)
            for e in examples
        ]
        images_B3HW = None
        if any(example.image_id for example in examples):
            ids = [example.image_id for example in examples]
            images_B3HW = self.images.batch(ids).to(answerer.device)
        source_BS = pad([own.source for own in encoded]).to(answerer.device)
        states = model.encode(source_BS, images_B3HW)
        answers = [self._tokens(request.args[1]) for request in requests]
        pairs = list(zip([own.prefix for own in encoded], answers, strict=True))
        prev_BT = pad([[BOS, *prefix, *answer[:-1]] for prefix, answer in pairs])
        features_BTD = model.decode(prev_BT.to(answerer.device), states)
        return [
            _read_likelihood(model.project(own_TD), len(prefix), answer)
            for own_TD, (prefix, answer) in zip(features_BTD, pairs, strict=True)
        ]

    def _tokens(self, continuation: str) -> list[int]:
        tokens = self.answerer.vocabulary.encode(continuation)
        return [*tokens, EOS] if ends_with_eos(self.task) else tokens


def _has_image(request: Instance) -> bool:
    return bool(request.args[2:] and request.args[2].get("visual"))


def _read_likelihood(logits_TV: torch.Tensor, num_before: int, answer: list[int]) -> Scored:
    """Of the tokens of an answer that begins after so many prefix tokens."""
    logits_TV = logits_TV[num_before : num_before + len(answer)].float()
    wanted_T = torch.tensor(answer, device=logits_TV.device)
    logs_T = logits_TV.log_softmax(-1).gather(1, wanted_T[:, None])
    return float(logs_T.sum()), bool((logits_TV.argmax(-1) == wanted_T).all())


def _read_limit(settings: dict[str, Any], answerer: Answerer) -> int:
    if settings.get("do_sample"):
        raise UserError(
            "the task asks for sampling",
            why="this model is searched, so that the same question gets the same answer",
            next_command="set do_sample: false under generation_kwargs of the task",
        )
    return int(settings.get("max_gen_toks", answerer.search.max_length_b))


def cut_at(text: str, until: str | Sequence[str]) -> str:
    """The text before the first of the stop words."""
    stops = [until] if isinstance(until, str) else until
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def run_tasks(answerer: Answerer, task: Task, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """The harness' results of exported tasks, whose files lie in ``folder``; they name their data
    from the current one."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    evaluate: Callable[..., dict[str, Any]] = simple_evaluate
    return evaluate(
        model=HarnessModel(answerer, task),
        tasks=list(names),
        task_manager=manager,
        num_fewshot=0,
        bootstrap_iters=0,
        log_samples=True,
    )
