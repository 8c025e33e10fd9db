"""What is asked of a model, and how it becomes what the model's task reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserError
from components.records import Example
from components.serving.asking import Asking
from components.tasks.base import Rendered, Task
from components.tasks.registry import TASKS

# What a request calls its question and its text, by the fields of the kinds of task.
QUESTIONS, TEXTS = ("question", "hypothesis"), ("context", "premise", "text", "history")
ASKED_TASKS = ("vqa", "caption", "classify", "understand", "summarize", "answer", "instruct")
INSTRUCT = "instruct"
MAX_QUESTION_CHARS, MAX_TEXT_CHARS = 10_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: an encoded image, its file, or none; a question, the text it is about, options
    to choose from; ``task`` where an instructed model is to do another than to follow; ``frame``
    (``first`` or ``middle``) of a DICOM file with several."""

    image: bytes | Path | None = None
    question: str = ""
    text: str = ""
    options: Sequence[str] = ()
    task: str = ""
    frame: str = ""


def prepare_request(request: Request, asking: Asking) -> Example:
    """The example that a request is, without its image; UserError for what does not fit the task.

    Of an instructed model any task is asked as zero-shot evaluation asks it: in the encoder alone.
    """
    rendered = _render(request, asking)
    return Example(
        id="", dataset=asking.dataset, task=asking.task, split="test",
        source=rendered.source, target="",
        prefix="" if asking.task == INSTRUCT else rendered.prefix,
        candidates=_list_options(request, rendered),
    )  # fmt: skip


def count_words_cut(request: Request, asking: Asking) -> int:
    """Words of a request that the task's limits leave out."""
    return _render(request, asking).num_cut


def _render(request: Request, asking: Asking) -> Rendered:
    task = find_task(request.task, asking)
    _check_lengths(request)
    if task.needs_image and request.image is None:
        raise UserError(
            f"a model of the task {task.name} is asked about an image",
            next_command="give one: --image FILE",
        )
    if request.image is not None and not (task.needs_image or task.name == INSTRUCT):
        raise UserError(
            f"a model of the task {task.name} takes no image",
            why="it was tuned and evaluated on texts alone, and an image would change its answer",
            next_command="leave out the image",
        )
    return task.render(_fill(request, task, asking))


def find_task(name: str, asking: Asking) -> Task:
    """The task that is asked for, else the model's own; an instructed model does any of them."""
    if name and name not in ASKED_TASKS:
        raise UserError(
            f"there is no task {name!r} to ask for", why=f"known: {', '.join(ASKED_TASKS)}"
        )
    if name in ("", asking.task) or asking.task == INSTRUCT:
        return TASKS[name or asking.task]
    raise UserError(
        f"this model does the task {asking.task}, not {name}",
        why=f"it was tuned on {asking.dataset}" if asking.dataset else "it was not instructed",
        next_command="leave out --task, or name an instructed model, which does every task",
    )


def _check_lengths(request: Request) -> None:
    for word, value, most in (
        ("question", request.question, MAX_QUESTION_CHARS),
        ("text", request.text, MAX_TEXT_CHARS),
    ):
        if len(value) > most:
            raise UserError(
                f"the {word} has {len(value):,} characters, at most {most:,} are read",
                next_command=f"give a shorter {word}"
                + (", and what it is about as the text" if word == "question" else ""),
            )


def _fill(request: Request, task: Task, asking: Asking) -> dict[str, str | list[str]]:
    """The task's fields out of a request. UserError for what is missing or has no place."""
    *asked, answer = task.fields  # the last one is what is to be said
    given: dict[str, str | list[str]] = {}
    for names, value, word in (
        (QUESTIONS, request.question.strip(), "question"), (TEXTS, request.text.strip(), "text"),
    ):  # fmt: skip
        (*place,) = [name for name in names if name in asked][:1]
        if value and not place:
            raise UserError(
                f"a model of the task {task.name} takes no {word}",
                why=f"it was trained on {', '.join(asked) or 'images alone'}",
                next_command=f"leave out the {word}",
            )
        if place:
            given[place[0]] = value
    if request.options and "options" in asked:
        given["options"] = list(_list_once(request.options).values())
    elif request.options and asking.task != INSTRUCT:
        raise UserError(
            f"a model of the task {task.name} takes no options",
            why="it chooses among the answers of its data set" if asking.candidates else "",
            next_command="leave out the options",
        )
    wanted = [name for name in asked if name not in ("history", "context", "options")]
    missing = [name for name in wanted if not given.get(name)]
    if missing:
        raise UserError(
            f"a model of the task {task.name} needs its {' and '.join(missing)}",
            next_command="give --question, and --text for what it is about",
        )
    return {**given, answer: ""}


def _list_options(request: Request, rendered: Rendered) -> list[str]:
    if rendered.candidates or not request.options:
        return rendered.candidates
    return [f" {said}" for said in _list_once(request.options)]


def _list_once(options: Sequence[str]) -> dict[str, str]:
    """Options by how they are said; of those that are said alike, which would share the probability
    of one, the first. UserError for one that says nothing."""
    once: dict[str, str] = {}
    for option in options:
        once.setdefault(" ".join(option.lower().split()), option)
    if "" in once:
        raise UserError(
            "an option is empty", next_command="leave it out, or write what it stands for"
        )
    return once
