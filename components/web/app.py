"""The HTTP application: the page, its examples, questions, pictures, facts, health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import TypeVar

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from components import __version__
from components.errors import UserError
from components.serving import served
from components.web.asking import Asked, check_fit, read_asked
from components.web.desk import Desk
from components.web.examples import draw_examples
from components.web.guard import Guard
from components.web.limits import Limits
from components.web.pictures import Picture, data_url, read_picture, show_picture, shrink
from components.web.refusals import Refusal, from_user_error, refuse_status
from components.web.schema import ASK, SEE, describe_refusals
from components.web.seeing import ImageTokens, draw_tokens
from components.web.telling import Answer, Example, Facts, Health, Seen, tell_look

T = TypeVar("T")
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/thread.js": ("thread.js", "text/javascript; charset=utf-8"),
    "/heat.js": ("heat.js", "text/javascript; charset=utf-8"),
}
LOOKED = ["GET", "HEAD"]
DECODERS = 2  # images that are decoded at once: each may take some hundred MB
SURE = 0.7  # of the time that a request has: expected waits beyond it would end unanswered
LOOK_AROUND_S = 0.25  # how often it is seen whether the client is still there
DESCRIPTION = (
    "Ask one biomedical vision-language model about images. Research only, not for clinical use. "
    "Uploads are held in memory while they are answered, and never stored."
)


@dataclass
class House:
    """What the endpoints share. ``taken`` counts the seats in use; one thread changes it."""

    desk: Desk
    tokens: ImageTokens
    facts: Facts
    limits: Limits
    decoders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(DECODERS))
    taken: int = 0


def build_app(house: House, names: Collection[str] = ()) -> FastAPI:
    """The application; ``names`` are those by which its server is reached beside its addresses."""
    app = FastAPI(
        title="biomedgpt", version=__version__, description=DESCRIPTION,
        docs_url=None, redoc_url=None, lifespan=partial(_open, house),
    )  # fmt: skip
    app.state.house = house
    app.add_middleware(Guard, names=names, limits=house.limits)
    app.add_exception_handler(Refusal, _refuse)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _refuse_status)  # type: ignore[arg-type]
    for address, (name, kind) in PAGE.items():
        app.add_api_route(address, _page(name, kind), methods=LOOKED, include_in_schema=False)
    few, all_ = describe_refusals("foreign", "too-large", "failed", "closing"), describe_refusals()
    app.add_api_route("/health", health, methods=["HEAD"], include_in_schema=False)
    app.add_api_route("/health", health, methods=["GET"], responses=few, tags=["server"])
    app.add_api_route("/api/model", tell_model, methods=["GET"], responses=few, tags=["model"])
    app.add_api_route("/api/examples", examples, methods=["GET"], responses=few, tags=["model"])
    app.add_api_route(
        "/api/ask", ask, methods=["POST"], responses=all_, openapi_extra=ASK, tags=["model"]
    )
    app.add_api_route(
        "/api/see", see, methods=["POST"], responses=all_, openapi_extra=SEE, tags=["model"]
    )
    return app


@asynccontextmanager
async def _open(house: House, _app: FastAPI) -> AsyncIterator[None]:
    house.desk.open()
    yield
    await asyncio.to_thread(house.desk.close)
    house.decoders.shutdown(wait=False, cancel_futures=True)


def _page(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    """An endpoint that serves one file of this package."""
    content = files("components.web").joinpath(name).read_bytes()

    async def serve() -> Response:
        return Response(content, media_type=kind)

    return serve


async def health(request: Request) -> Health:
    """Whether answers can be had, and how busy the server is."""
    house: House = request.app.state.house
    if house.desk.is_closed:
        raise _closing()
    return Health(status="ok", requests=house.taken, seats=house.limits.seats,
                  seconds_each=house.desk.seconds_each)  # fmt: skip


async def tell_model(request: Request) -> Facts:
    """The model: what it takes, its versions and hashes, its terms, the limits."""
    house: House = request.app.state.house
    return house.facts


async def examples(request: Request) -> list[Example]:
    """Made-up pictures to try, for a model that looks at pictures."""
    house: House = request.app.state.house
    if house.facts.takes.image == "none":
        return []
    return list(await asyncio.to_thread(draw_examples))


async def ask(request: Request) -> Answer:
    """Ask a question; with ``explain`` also without the image, and where the answer looked."""
    house: House = request.app.state.house
    begun = time.monotonic()
    async with _seat(house):
        asked = await read_asked(request, house.limits)
        check_fit(asked, house.facts.takes)
        wanted, explain = await _prepare(house, asked), asked.explain
        del asked  # its image need not be held while the request waits
        look = await _wait(house, request, house.desk.ask(wanted, explain=explain))
    return tell_look(look, round(time.monotonic() - begun, 3), house.facts.name)


async def see(request: Request) -> Seen:
    """An image as it is understood: its facts, what the model is given, and its image tokens."""
    house: House = request.app.state.house
    async with _seat(house):
        asked = await read_asked(request, house.limits)
        content = _only_image(asked)
        picture, shown, given = await _decode(house, partial(_show, house, content))
        drawn = await _wait(house, request, house.desk.run(
            partial(draw_tokens, house.tokens, picture)
        ))  # fmt: skip
    tokens, num = drawn if drawn is not None else (None, 0)
    return Seen(
        format=picture.format, width=picture.width, height=picture.height, shown=shown,
        given=given, given_px=house.facts.image_px, tokens=data_url(tokens) if tokens else None,
        num_tokens=num, why_no_tokens=house.tokens.why_not,
    )  # fmt: skip


def _only_image(asked: Asked) -> bytes:
    if asked.image is None:
        raise Refusal("unfit", "There is no image.", "Choose an image and send it along.")
    if asked.question or asked.text or asked.options:
        raise Refusal("unfit", "Only an image is looked at here.", "Ask questions at /api/ask.")
    return asked.image


async def _prepare(house: House, asked: Asked) -> served.Request:
    image = None
    if asked.image is not None:
        image = await _decode(house, partial(_shrink, house, asked.image))
    return served.Request(image, asked.question, asked.text, asked.options)


def _shrink(house: House, content: bytes) -> bytes:
    return shrink(read_picture(content, house.limits), house.facts.image_px)


def _show(house: House, content: bytes) -> tuple[Picture, str, str]:
    picture = read_picture(content, house.limits)
    return picture, show_picture(picture), data_url(shrink(picture, house.facts.image_px))


@asynccontextmanager
async def _seat(house: House) -> AsyncIterator[None]:
    """A seat, from the first byte of a body to the answer.

    Refusal where all are taken, or those before it need all the time that it has.
    """
    if house.desk.is_closed:
        raise _closing()
    expected_s = house.taken * house.desk.seconds_each
    if house.taken >= house.limits.seats or expected_s > SURE * house.limits.answer_s:
        wait_s = max(1, min(60, round(expected_s)))
        raise Refusal(
            "busy", f"{house.taken} requests are waiting already, and no more are taken.",
            f"Send it again in {wait_s} s.", retry_after_s=wait_s,
        )  # fmt: skip
    house.taken += 1
    try:
        yield
    finally:
        house.taken -= 1


async def _decode(house: House, call: Callable[[], T]) -> T:
    decoded = asyncio.get_running_loop().run_in_executor(house.decoders, call)
    try:
        return await asyncio.wait_for(decoded, house.limits.answer_s)
    except TimeoutError:
        raise _timed_out(house) from None


async def _wait(house: House, request: Request, future: Future[T]) -> T:
    """A result, while there is time and somebody who waits for it; else it is called off."""
    deadline = time.monotonic() + house.limits.answer_s
    waited = asyncio.wrap_future(future)
    try:
        while not waited.done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise _timed_out(house)
            await asyncio.wait([waited], timeout=min(left, LOOK_AROUND_S))
            if not waited.done() and await request.is_disconnected():
                raise Refusal("malformed", "The client has gone.", "Send it again.")
        return waited.result()
    except (CancelledError, asyncio.CancelledError):
        if house.desk.is_closed:
            raise _closing() from None
        raise
    except UserError as error:
        raise from_user_error(error) from None
    finally:
        waited.cancel()


def _timed_out(house: House) -> Refusal:
    return Refusal(
        "timed-out", f"There was no answer within {house.limits.answer_s:.0f} s.",
        "Try again when fewer people ask, or a shorter question.",
    )  # fmt: skip


def _closing() -> Refusal:
    return Refusal("closing", "The server is being stopped.", "Try again later.", retry_after_s=5)


async def _refuse(_request: Request, refusal: Refusal) -> Response:
    return refusal.response


async def _refuse_status(request: Request, error: HTTPException) -> Response:
    response = refuse_status(error.status_code, request).response
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response
