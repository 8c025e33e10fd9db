"""The commands on the bucket of DVC: set it up, send products there, fetch them.

They are DVC's own, with what goes wrong told in words that a person can act on. Added by
flows/cli.py beside the library's other commands.
"""

from __future__ import annotations

import argparse

from components.cli import check_project, show


def add_remote_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add each command with the function that it calls."""
    remote = commands.add_parser("remote", help="name the bucket for products, and try it")
    remote.add_argument("address", help="s3://bucket/prefix")
    remote.add_argument(
        "--endpoint", default="", metavar="URL", help="of another server than AWS's: MinIO, Ceph"
    )
    remote.set_defaults(call=name_remote)
    for word, what in (("push", "send products to"), ("pull", "fetch products from")):
        command = commands.add_parser(word, help=f"{what} the bucket; dvc {word}, with its faults")
        command.add_argument("targets", nargs="*", help="stages or paths; none: all of them")
        command.set_defaults(call=transfer_products)


def name_remote(arguments: argparse.Namespace) -> int:
    """Write, read and remove a small object there, then let DVC use it."""
    from components.remote import set_remote

    check_project()
    set_remote(arguments.address, arguments.endpoint)
    show(f"{arguments.address} can be written and read; `biomedgpt push` sends products there")
    return 0


def transfer_products(arguments: argparse.Namespace) -> int:
    """Push or pull."""
    from components.remote import transfer

    check_project()
    transfer(arguments.command, arguments.targets)
    return 0
