"""What the OpenAPI document says beside the types: bodies in two forms, and every refusal."""

from __future__ import annotations

from typing import Any

from components.web.asking import FORM, JSON, AskBody
from components.web.refusals import CODES, Refused

IMAGE = {
    "type": "string",
    "format": "binary",
    "description": "PNG, JPEG, GIF, BMP, TIFF, WEBP or DICOM, told by its content",
}
# The smallest PNG: one white pixel. An example must be a body that is answered.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElFTkSuQmCC"
)


def describe_refusals(*only: str) -> dict[int | str, dict[str, Any]]:
    """Responses by status, of these codes or of all."""
    found: dict[int | str, dict[str, Any]] = {}
    for code, (status, words) in CODES.items():
        if only and code not in only:
            continue
        found[status] = {"model": Refused, "description": f"`{code}`: {words}"}
        if code in ("busy", "closing"):
            found[status]["headers"] = {
                "Retry-After": {"description": "seconds", "schema": {"type": "integer"}}
            }
    return found


def _describe_body(form: dict[str, Any], examples: dict[str, Any], required: list[str]) -> Any:
    schema = AskBody.model_json_schema()
    if required:
        schema["required"] = required
    return {
        "requestBody": {
            "required": True,
            "content": {
                FORM: {"schema": {
                    "type": "object", "additionalProperties": False, "properties": form,
                    "required": required,
                }},
                JSON: {"schema": schema, "examples": {
                    name: {"value": value} for name, value in examples.items()
                }},
            },
        }
    }  # fmt: skip


ASK: dict[str, Any] = _describe_body(
    {
        "image": IMAGE,
        "question": {"type": "string", "example": "Is there a lesion?"},
        "text": {"type": "string", "description": "what the question is about; earlier turns"},
        "option": {"type": "array", "items": {"type": "string"}, "description": "repeat the field"},
        "explain": {"type": "string", "enum": ["true", "false"]},
    },
    {
        "a question about an image": {"image": PIXEL, "question": "Is there a lesion?"},
        "with what it rests on": {
            "image": PIXEL, "question": "Is there a lesion?", "explain": True,
        },
    },
    [],
)  # fmt: skip
SEE: dict[str, Any] = _describe_body(
    {"image": IMAGE}, {"an image": {"image": PIXEL}}, ["image"]
)  # fmt: skip
