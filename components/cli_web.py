"""The command that serves the web page. Added by flows/cli.py; it runs in any folder."""

from __future__ import annotations

import argparse

HOST, PORT = "127.0.0.1", 8000  # doctor_services.WEB_PORT


def add_web_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with the function that it calls."""
    web = commands.add_parser(
        "web", help="a page on which a model is asked about images, and an HTTP endpoint"
    )
    web.add_argument("model", help="a folder, or PLACE/NAME@v3, as predict takes it")
    web.add_argument("--port", type=int, default=PORT, help=f"else {PORT}; 0 takes a free one")
    web.add_argument("--host", default=HOST, help="else this machine alone can reach it")
    web.add_argument(
        "--name", action="append", default=[], metavar="NAME",
        help="a name that the server is reached by, behind a proxy or in a network",
    )  # fmt: skip
    web.set_defaults(call=serve_page)


def serve_page(arguments: argparse.Namespace) -> int:
    """Serve until it is ended."""
    from components.web.serve import serve

    serve(arguments.model, host=arguments.host, port=arguments.port, names=arguments.name)
    return 0
