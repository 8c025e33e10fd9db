"""Start the server: the port first, then the model, then the page; nothing is written to disk."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from components.errors import UserError
from components.logs import LOGGER
from components.progress import say
from components.serving.finding import find_model
from components.serving.served import load
from components.web.app import House, build_app
from components.web.desk import Desk
from components.web.facts import describe_model
from components.web.limits import Limits
from components.web.seeing import find_tokens
from components.web.takes import make_rehearsal

OPEN = (
    "warning: {host} can be reached from other machines, without a password and unencrypted; "
    "whoever reaches it can ask. For yourself alone leave out --host."
)
IDLE_S = 30  # an open connection that sends nothing


def open_house(where: str | Path, device: str = "auto", limits: Limits | None = None) -> House:
    """A model with all that the application needs; UserError where it cannot be loaded."""
    limits, folder = limits or Limits(), find_model(where, say).folder
    model, tokens = load(folder, device), find_tokens(folder)
    house = House(Desk(model), tokens, describe_model(folder, model, tokens, limits), limits)
    house.desk.rehearse(make_rehearsal(house.facts.takes))
    return house


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; UserError where the address is not this machine's or the port is taken.

    Port 0 takes any that is free.
    """
    if not 0 <= port < 1 << 16:
        raise UserError(f"there is no port {port}", next_command=f"--port 8000, of 0 to {0xFFFF}")
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
    except (socket.gaierror, UnicodeError):
        raise UserError(
            f"{host} is no address that can be listened at",
            next_command="leave out --host, which listens on this machine alone",
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _explain(error, host, port) from None
    return listener


def _explain(error: OSError, host: str, port: int) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return UserError(
            f"port {port} is in use by another program",
            next_command=f"--port {port + 1}, or --port 0 for any that is free",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UserError(
            f"{host} is not an address of this machine",
            next_command="leave out --host, which listens on this machine alone",
        )
    return UserError(
        f"port {port} cannot be listened at", why=str(error), next_command="--port 8000"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    where: str | Path, *, host: str, port: int, names: Collection[str] = (), device: str = "auto"
) -> None:
    """Serve a model until Ctrl-C or SIGTERM; UserError where it cannot be started."""
    listener = bind(host, port)
    with listener, _logged():
        if not is_loopback(host):
            say(OPEN.format(host=host))
        house = open_house(where, device)
        app = build_app(house, names if is_loopback(host) else (*names, host))
        shown = f"[{host}]" if ":" in host else host
        say(f"{house.facts.name} answers at http://{shown}:{listener.getsockname()[1]}/")
        say("research only, not for clinical use; images are not stored; Ctrl-C ends it")
        with suppress(KeyboardInterrupt):  # raised again once all is closed
            make_server(app).run(sockets=[listener])


class PatientServer(uvicorn.Server):
    """Answers who waits before it ends; told twice, it ends at once: it has nothing to save."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn for Ctrl-C and SIGTERM."""
        if self.should_exit:
            os._exit(128 + sig)  # a thread of torch that computes cannot be ended otherwise
        super().handle_exit(sig, frame)
        say("answering who waits, then ending; Ctrl-C again ends at once")


def make_server(app: FastAPI) -> uvicorn.Server:
    """A server of the application that logs nothing by itself: addresses hold what people type."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="on", ws="none",
        timeout_keep_alive=IDLE_S, timeout_graceful_shutdown=IDLE_S,
    )  # fmt: skip
    logging.getLogger("uvicorn.access").disabled = True
    return PatientServer(config)


@contextmanager
def _logged() -> Iterator[None]:
    """A line for each request on the terminal: the address and how long, never what was asked."""
    terminal = logging.StreamHandler()
    terminal.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level = LOGGER.level
    LOGGER.addHandler(terminal)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.removeHandler(terminal)
        LOGGER.setLevel(level)
