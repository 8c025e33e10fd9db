"""What is known of the served model: its name, versions, hashes, terms, and what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from components import __version__
from components.artifacts.manifest import OWN
from components.errors import load_object
from components.lineage import MANIFEST, hash_file
from components.model.weights import WEIGHTS
from components.serving.asking import ASKING
from components.serving.served import ServedModel
from components.serving.versions import PRODUCT
from components.web.limits import Limits
from components.web.seeing import ImageTokens
from components.web.takes import list_takes
from components.web.telling import Facts


def describe_model(
    folder: Path, model: ServedModel, tokens: ImageTokens, limits: Limits
) -> Facts:  # fmt: skip
    """The facts of a model out of its folder; what a folder does not tell is left out."""
    artifact, product = _read(folder / OWN), _read(folder / PRODUCT) or _read(folder / MANIFEST)
    asking = model.asking
    answers: Literal["closed", "own options", "free"] = "free"
    if asking.candidates or "options" in model.task.fields:
        answers = "closed" if asking.candidates else "own options"
    return Facts(
        name=model.version.name,
        task=asking.task,
        dataset=asking.dataset,
        parameters=sum(p.numel() for p in model.answerer.model.parameters()),
        image_px=asking.image_px,
        answers=answers,
        num_answers=len(asking.candidates),
        takes=list_takes(model),
        version={
            "model, sha256 of its manifest": model.version.model,  # as predict names it
            **_list_versions(folder, artifact, product),
        },
        licence=str(artifact.get("licence", "")),
        access=list(artifact.get("access") or product.get("access") or []),
        limits={
            "image_bytes": limits.image_bytes, "image_pixels": limits.image_pixels,
            "question_chars": limits.question_chars, "text_chars": limits.text_chars,
            "options": limits.options, "answer_s": limits.answer_s,
        },
        has_image_tokens=tokens.tokenizer is not None,
        why_no_image_tokens=tokens.why_not,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return load_object(path)


def _list_versions(
    folder: Path, artifact: dict[str, Any], product: dict[str, Any]
) -> dict[str, str]:
    versions = {"this package": __version__}
    if product:
        identity = " ".join(product["identity"].values())
        versions["made by"] = f"{product['stage']} {identity}".strip()
        versions["code that made it, sha256"] = product["code_sha256"]
    if artifact:
        versions["artifact, sha256 of its contents"] = artifact["content_sha256"]
    for words, name in (("weights, sha256", WEIGHTS), ("how it is asked, sha256", ASKING)):
        told = artifact.get("files", {}).get(name) or product.get("files", {}).get(name)
        if (folder / name).is_file():
            versions[words] = told["sha256"] if told else hash_file(folder / name)
    for path, digest in product.get("inputs", {}).items():
        versions[f"made from {path}, sha256"] = digest
    return versions
