"""What a task's YAML file says in the formats of two harnesses.

The LM Evaluation Harness compares the likelihoods of choices where an answer is one of few classes
or of the item's own options; anything else is written freely, also where this project chooses among
the answers of the training split: a list of hundreds is no question that other models are asked.

lmms-eval (its fields are those of ``TaskConfig`` in lmms_eval/api/task.py, 0.7.3) began as a copy
of that format. Images come by ``doc_to_visual``, a prompt has a part for each model under
``lmms_eval_specific_kwargs``, and answers are written: most of its models give no likelihoods, and
those that do give losses of other signs and lengths. So classes are named in the prompt there, and
metrics that need their probabilities are left out.
"""

from __future__ import annotations

from typing import Any

import yaml

from components.config import EvaluateParams
from components.evaluation.examine import Exam
from components.evaluation.metrics import find_metric
from components.evaluation.passport import hash_items
from components.evaluation.pooling import pool_auc

PREFIX = "biomedgpt_"  # of the tasks' names: those of a harness are known by others, too
CHOSEN = ("fixed", "options")
BRIEFLY = "\nAnswer the question using a single word or phrase."  # as lmms-eval asks elsewhere


class _Function(str):
    """The name of a function, which a harness marks by a tag of its own."""


class _Dumper(yaml.SafeDumper):
    pass


def dump(config: dict[str, Any]) -> str:
    """The YAML text of a configuration."""
    _Dumper.add_representer(
        _Function, lambda dumper, name: dumper.represent_scalar("!function", str(name))
    )
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def describe_task(exam: Exam, settings: EvaluateParams) -> dict[str, Any]:
    """The LM Evaluation Harness' configuration of a task."""
    config = _describe_shared(exam, exam.card.metrics)
    if exam.card.candidates in CHOSEN:
        config |= {
            "output_type": "multiple_choice", "doc_to_target": "gold", "doc_to_choice": "choices"
        }  # fmt: skip
    else:
        longest = settings.max_target_tokens
        config["generation_kwargs"] = {
            "until": ["\n"], "max_gen_toks": longest, "do_sample": False,
        }  # fmt: skip
    if any(example.image_id for example in exam.test):
        config["doc_to_image"] = _Function("adapter.open_images")
    return config | {"target_delimiter": ""}  # an answer begins with its own space


def describe_visual_task(exam: Exam, settings: EvaluateParams) -> dict[str, Any]:
    """lmms-eval's configuration of a task with images."""
    left_out = [name for name in exam.card.metrics if find_metric(name).pool is pool_auc]
    config = _describe_shared(exam, [name for name in exam.card.metrics if name not in left_out])
    config["metadata"]["metrics_left_out"] = left_out
    return config | {
        "doc_to_visual": _Function("adapter.open_images"),
        "doc_to_text": _Function("adapter.ask"),
        "lmms_eval_specific_kwargs": {"default": {"pre_prompt": "", "post_prompt": _end(exam)}},
        "generation_kwargs": {
            "until": ["\n"], "max_new_tokens": settings.max_target_tokens, "do_sample": False,
            "temperature": 0, "num_beams": 1,
        },
    }  # fmt: skip


def _end(exam: Exam) -> str:
    """What is asked of a model that was not tuned on the set: to answer in the set's own form."""
    if exam.card.candidates == "fixed":
        classes = ", ".join(text.strip() for text in exam.candidates[0])
        return f"\nAnswer with one of: {classes}."
    return BRIEFLY if exam.card.task == "vqa" else ""


def _describe_shared(exam: Exam, metrics: list[str]) -> dict[str, Any]:
    """What both formats say alike; ``metadata`` says which items and versions a task is of."""
    card = exam.card
    return {
        "task": f"{PREFIX}{card.name}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{card.name}.jsonl"}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "source",
        "doc_to_target": "target",
        "process_results": _Function("adapter.process_results"),
        "metric_list": [_describe_metric(name) for name in metrics],
        "metadata": {
            "version": 1.0,
            "items_sha256": hash_items(exam.test),
            "metric_versions": {name: find_metric(name).version for name in metrics},
            "candidates": card.candidates,
            "licence": card.source.licence,
            "source": card.source.url,
            "citation": card.source.citation,
        },
    }


def _describe_metric(name: str) -> dict[str, Any]:
    pool = _Function(f"adapter.pool_{name}")
    return {"metric": name, "aggregation": pool, "higher_is_better": True}
