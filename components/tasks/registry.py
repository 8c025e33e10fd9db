"""Every kind of task, by name."""

from __future__ import annotations

from components.tasks import (
    answer,
    caption,
    classify,
    detect,
    infill_image,
    infill_text,
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
    "detect": detect.TASK,
    "infill_image": infill_image.TASK,
    "infill_text": infill_text.TASK,
}
PAIRED_TASKS = ("vqa", "caption")  # what the paper pretrains on of pairs; classes are not
