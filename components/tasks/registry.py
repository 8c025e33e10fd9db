"""Every kind of task, by name."""

from __future__ import annotations

from components.tasks import (
    answer,
    caption,
    classify,
    instruct,
    summarize,
    understand,
    vqa,
)
from components.tasks.base import Task

TASKS: dict[str, Task] = {
    "vqa": vqa.TASK,
    "caption": caption.TASK,
    "classify": classify.TASK,
    "understand": understand.TASK,
    "summarize": summarize.TASK,
    "answer": answer.TASK,
    "instruct": instruct.TASK,
}
