"""What the server refuses: a code and a status for scripts, a sentence and a way out for people."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.errors import UserError
from components.schema import Section

# code: status, and when it is given (the words of the OpenAPI document).
CODES: dict[str, tuple[int, str]] = {
    "malformed": (400, "The body is no form and no JSON that can be read, or ends too early."),
    "foreign": (403, "The name of the server or the page that asks is not one of this server's."),
    "unknown-address": (404, "There is nothing at this address."),
    "wrong-method": (405, "The address takes another method."),
    "slow-upload": (408, "The body took too long to arrive."),
    "too-large": (413, "The body, a part of it, or the image in pixels is larger than allowed."),
    "wrong-type": (415, "The body or the image is of a type that is not taken."),
    "unfit": (422, "A field is missing, empty, too long, or not one that the model takes."),
    "busy": (429, "Too many requests are waiting; Retry-After says when to come again."),
    "failed": (500, "The server is at fault; nothing of the request was kept."),
    "closing": (503, "The server is being stopped, or is not ready yet."),
    "timed-out": (504, "No answer was found in the time allowed."),
}


class Refused(Section):
    """Why there is no answer, and what to do."""

    code: str = Field(description="one word for scripts", examples=["unfit"])
    message: str = Field(examples=["The question is empty."])
    next: str = Field(description="what to do", examples=["Type a question and send it again."])


class Refusal(Exception):  # noqa: N818
    """A request that gets no answer; the server turns it into ``Refused``."""

    def __init__(
        self, code: str, message: str, next_step: str, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.next_step = code, message, next_step
        self.retry_after_s = retry_after_s

    @property
    def response(self) -> Response:
        """As it is sent."""
        body = Refused(code=self.code, message=self.message, next=self.next_step)
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return JSONResponse(body.model_dump(), CODES[self.code][0], headers)


def from_user_error(error: UserError) -> Refusal:
    """What the model says of a request that does not fit it, without words of the command line."""
    message = f"{error.what}: {error.why}" if error.why else error.what
    return Refusal("unfit", f"{message[:1].upper()}{message[1:]}.", "Change the request, see GET "
                   "/api/model for what this model takes.")  # fmt: skip


def refuse_status(status: int, request: Request) -> Refusal:
    """What the framework refuses by itself: an unknown address, a method, a broken body."""
    if status == 404:
        return Refusal(
            "unknown-address", "There is nothing at this address.",
            "Open / for the page, or /openapi.json for what can be asked.",
        )  # fmt: skip
    if status == 405:
        return Refusal(
            "wrong-method", f"This address does not take {request.method[:20]}.",
            "See /openapi.json for the methods of each address.",
        )  # fmt: skip
    return Refusal("malformed", "The request cannot be read.", "See /openapi.json for its form.")


def failed() -> Refusal:
    """A fault of the server's own."""
    return Refusal(
        "failed", "The server met a fault of its own and gave no answer.",
        "Try another image or question; whoever runs the server finds the place of the fault in "
        "its window.",
    )  # fmt: skip
