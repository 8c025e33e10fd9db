"""The command ``biomedgpt selftest``."""

from __future__ import annotations

import argparse
import os
import time
from itertools import groupby

from components.cli import check_project, show


def add_selftest_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with the function that it calls."""
    selftest = commands.add_parser(
        "selftest",
        help="try on this machine what the project promises",
        epilog="Status 0: each promise is kept, or could not be tried here; 1: one is broken.",
    )
    selftest.add_argument(
        "--chaos", action="store_true", help="also kill a pipeline again and again (15 minutes)"
    )
    selftest.set_defaults(call=test_promises)


def test_promises(arguments: argparse.Namespace) -> int:
    """Print each promise as kept or broken; status 1 where one is broken."""
    from components.selftest import CHAOS_MINUTES, read_promises, try_promises

    check_project()
    os.environ.setdefault(CHAOS_MINUTES, "5")  # the rest: worlds to strike and compare, a bucket
    promises, begun = read_promises(chaos=arguments.chaos), time.monotonic()
    show(f"{len(promises)} promises are tried; {15 if arguments.chaos else 2} minutes or so")
    errors = try_promises(promises, show)
    for heading, below in groupby(promises, key=lambda promise: promise.heading):
        show(f"\n{heading}")
        for promise in below:
            show(f"  {promise.status:<10} {promise.words}")
            if promise.status == "not tried":
                show(
                    f"  {'':<10} ({'; '.join(sorted(promise.reasons)) or 'its tests did not run'})"
                )
    counts = {status: sum(promise.status == status for promise in promises)
              for status in ("kept", "broken", "not tried")}  # fmt: skip
    for test, words in errors.items():
        show(f"\n{test}\n{words}")
    told = ", ".join(f"{num} {status}" for status, num in counts.items() if num)
    show(f"\n{told}; {time.monotonic() - begun:.0f} s")
    return int(counts["broken"] > 0)
