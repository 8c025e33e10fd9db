"""Pickled lists of plain records, read without running them.

A pickle is a program for a machine with a stack. Ours knows the instructions that build texts,
numbers, lists, tuples and objects by key, and no other: nothing is imported, nothing is called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.readers.json_rows import Found, unreadable
from components.records import Reject

NOTHING = {"PROTO", "FRAME"}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "STRING", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
PUT, GET = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
GATHERED: dict[str, Callable[[list[Any]], Any]] = {
    "LIST": list,
    "DICT": lambda values: dict(_pair(values)),
    "TUPLE": tuple,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Refused(Exception):  # noqa: N818
    """An instruction that plain data never needs."""


def read_pickle_records(path: Path, name: str) -> Iterator[Found]:
    """Yield (number, object) for each item of a pickled list, counted from 1.

    Raises UserError for a pickle of anything else, a broken one, and one with an instruction that
    imports, builds or calls: it names the instruction.
    """
    values = read_plain_pickle(path)
    if not isinstance(values, list) or not values:
        raise unreadable(path, f"it holds a {type(values).__name__}, not a list of records")
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            yield number, value
        else:
            detail = f"found {type(value).__name__}"
            yield number, Reject(f"{name}#{number}", "not-an-object", detail)


def read_plain_pickle(path: Path) -> Any:
    """The value of a pickle of plain data; UserError for any other."""
    machine = _Machine()
    try:
        for opcode, argument, position in pickletools.genops(path.read_bytes()):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument, position or 0)
    except _Refused as refused:
        raise UserError(
            f"{path} is refused: {refused}",
            why="plain records never need that, and it could do anything; nothing of it was run",
            next_command="use another copy of the data set (data/cards names those that are read)",
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise unreadable(path, f"it is not a whole pickle of plain data: {error}") from None
    raise unreadable(path, "it is not a whole pickle: it does not stop")


class _Machine:
    """The stack, the stacks put aside at marks, and the values that are named to be used again."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.aside: list[list[Any]] = []
        self.named: dict[int, Any] = {}

    def step(self, name: str, argument: Any, position: int) -> None:
        """Carry out one instruction that only builds data."""
        if name in VALUES:
            self.stack.append(argument)
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name == "MEMOIZE":
            self.named[len(self.named)] = self.stack[-1]
        elif name in PUT:
            self.named[argument] = self.stack[-1]
        elif name in GET:
            self.stack.append(self.named[argument])
        elif name == "MARK":
            self.aside.append(self.stack)
            self.stack = []
        elif not self._gather(name) and name not in NOTHING:
            told = f" {argument}" if argument else ""
            raise _Refused(f"it wants {name}{told} at byte {position}"[:200])

    def _gather(self, name: str) -> bool:
        """Put values into a list, a tuple, or an object; whether the instruction does that."""
        if name == "APPEND":
            value = self.stack.pop()
            self.stack[-1].append(value)
        elif name == "APPENDS":
            values = self._since_mark()
            self.stack[-1].extend(values)
        elif name == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            self.stack[-1][key] = value
        elif name == "SETITEMS":
            pairs = _pair(self._since_mark())
            self.stack[-1].update(pairs)
        elif name in GATHERED:
            values = self._since_mark()  # first: it brings back the stack to put them on
            self.stack.append(GATHERED[name](values))
        elif name in TUPLES:
            values = [self.stack.pop() for _ in range(TUPLES[name])]
            self.stack.append(tuple(reversed(values)))
        else:
            return False
        return True

    def _since_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.aside.pop()
        return values


def _pair(values: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(values[::2], values[1::2], strict=True))
