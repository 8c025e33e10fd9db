"""What is asked, out of a form or of JSON, held to the limits and to what the model takes."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from pydantic import Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from components.schema import Section
from components.web.limits import Limits
from components.web.refusals import Refusal
from components.web.takes import Takes

JSON, FORM = "application/json", "multipart/form-data"
FIELDS = ("image", "question", "text", "option", "explain")
TRUE, FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no", "")


class AskBody(Section):
    """A question in JSON; the image in base64, without the start of a data URL."""

    image: str | None = Field(None, description="the file, in base64")
    question: str = Field("", examples=["Is there a lesion?"])
    text: str = Field("", description="what the question is about; earlier turns; see /api/model")
    options: list[str] = Field([], description="answers to choose among, where the model takes any")
    explain: bool = Field(False, description="also ask without the image, and tell where it looked")


class Asked(Section):
    """What is asked, with the image as bytes."""

    image: bytes | None
    question: str
    text: str
    options: list[str]
    explain: bool


async def read_asked(request: Request, limits: Limits) -> Asked:
    """What a request asks. Refusal where it cannot be read or is over a limit."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if kind == JSON:
            return _check_lengths(_from_json(await request.body()), limits)
        if kind == FORM:
            return _check_lengths(await _from_form(request, limits), limits)
    except ClientDisconnect:
        raise Refusal("malformed", "The request broke off.", "Send it again.") from None
    raise Refusal(
        "wrong-type", f"The body must be {FORM} or {JSON}.", "Set its Content-Type, see "
        "/openapi.json.",
    )  # fmt: skip


def _from_json(body: bytes) -> Asked:
    try:
        asked = AskBody.model_validate_json(body)
    except ValidationError as error:
        raise _refuse_json(error) from None
    image = None
    if asked.image is not None:
        try:
            image = base64.b64decode(asked.image, validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(
                "unfit", "The image is not base64.",
                "Encode the file's bytes in base64, without 'data:...;base64,' before them.",
            ) from None  # fmt: skip
    return Asked(
        image=image, question=asked.question, text=asked.text, options=asked.options,
        explain=asked.explain,
    )  # fmt: skip


def _refuse_json(error: ValidationError) -> Refusal:
    """The first fault, without what was sent."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Refusal("malformed", "The body is no valid JSON.", "Send one JSON object.")
    place = ".".join(str(part) for part in first["loc"])[:60] or "the body"
    return Refusal(
        "unfit", f"{place}: {first['msg']}.", f"The fields are {', '.join(AskBody.model_fields)}."
    )


class _InMemory(MultiPartParser):
    """Starlette's parser, which would write files above a megabyte to the disk."""

    def __init__(self, request: Request, limits: Limits) -> None:
        super().__init__(
            request.headers, request.stream(), max_files=1, max_fields=limits.options + 10,
            max_part_size=4 * max(limits.text_chars, limits.question_chars),
        )  # fmt: skip
        self.spool_max_size = limits.body_bytes + 1


async def _from_form(request: Request, limits: Limits) -> Asked:
    try:
        form = await _InMemory(request, limits).parse()
    except MultiPartException as error:
        raise _refuse_form(error.message, limits) from None
    try:
        strangers = sorted(set(form) - set(FIELDS))
        if strangers:
            raise Refusal(
                "unfit", f"The form has a field {strangers[0][:40]!r}, which is not taken.",
                f"The fields are {', '.join(FIELDS)}.",
            )  # fmt: skip
        file = form.get("image")
        if isinstance(file, str):
            raise Refusal("unfit", "The image was sent as text.", "Send it as a file of the form.")
        image = await file.read() if isinstance(file, UploadFile) else None
        return Asked(
            image=image, question=_text(form.get("question")), text=_text(form.get("text")),
            options=[_text(option) for option in form.getlist("option")],
            explain=_flag(_text(form.get("explain"))),
        )  # fmt: skip

    finally:
        await form.close()


def _refuse_form(message: str, limits: Limits) -> Refusal:
    if "exceeded maximum size" in message:
        return Refusal(
            "too-large", f"A text of the form is too long: a question may have "
            f"{limits.question_chars:,} characters, a text {limits.text_chars:,}.", "Shorten it.",
        )  # fmt: skip
    if "Too many" in message:
        return Refusal("unfit", "The form has too many fields or files.", "Send one image.")
    return Refusal("malformed", "The form cannot be read.", "See /openapi.json for its fields.")


def _text(value: Any) -> str:
    if isinstance(value, UploadFile):
        raise Refusal("unfit", "A text was sent as a file.", "Only the image is a file.")
    return value or ""


def _flag(value: str) -> bool:
    if value.lower() not in (*TRUE, *FALSE):
        raise Refusal("unfit", "explain is neither true nor false.", "Send true or false.")
    return value.lower() in TRUE


def _check_lengths(asked: Asked, limits: Limits) -> Asked:
    for name, value, most in (
        ("question", asked.question, limits.question_chars),
        ("text", asked.text, limits.text_chars),
    ):
        if len(value) > most:
            raise Refusal(
                "unfit", f"The {name} has {len(value):,} characters; at most {most:,} are "
                "taken.", f"Shorten the {name}.",
            )  # fmt: skip
    if len(asked.options) > limits.options or any(
        len(option) > limits.option_chars for option in asked.options
    ):
        raise Refusal(
            "unfit", f"At most {limits.options} options of {limits.option_chars} characters "
            "are taken.", "Send fewer or shorter ones.",
        )  # fmt: skip
    return asked


def check_fit(asked: Asked, takes: Takes) -> None:
    """Refusal where the model needs what is not there, or cannot take what is."""
    for word, is_there, is_taken in (
        ("image", asked.image is not None, takes.image != "none"),
        ("question", bool(asked.question.strip()), takes.question),
        ("text", bool(asked.text.strip()), takes.text),
        ("options", bool(asked.options), takes.options),
    ):
        if is_there and not is_taken:
            raise Refusal(
                "unfit", f"This model takes no {word}.", f"Send the request without {word}."
            )
    if takes.image == "needed" and asked.image is None:
        raise Refusal("unfit", "There is no image.", "Choose an image and send it along.")
    if takes.question and not asked.question.strip():
        raise Refusal("unfit", "The question is empty.", "Type a question and send it again.")
    if takes.text and not takes.history and not takes.question and not asked.text.strip():
        raise Refusal("unfit", "There is no text.", "Send the text that is to be worked on.")
