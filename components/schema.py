"""Settings of any kind, typed at the door: strict sections, and errors that name the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from components.errors import UserError
from components.redaction import HIDDEN, holds_secret

SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
BEGINS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
DEEPEST = 100
MAX_NODES = 500_000  # its aliases written out; ours have some thousand
M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """Base of every section: strict types, finite numbers, no unknown keys, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class _UniqueKeys(SAFE):  # type: ignore[misc]
    """Refuses a key that stands twice in a mapping, where PyYAML keeps the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in lines:
                words = f"the key {key.value!r} stands twice, first in line {lines[key.value]}"
                raise yaml.MarkedYAMLError(problem=words, problem_mark=key.start_mark)
            lines[key.value] = key.start_mark.line + 1
        built: dict[Any, Any] = super().construct_mapping(node, deep)
        return built

    def get_single_node(self) -> yaml.Node | None:
        """The tree of the document; one that its aliases make too large is refused unbuilt."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _count_nodes(node, {}) > MAX_NODES:
            words = f"written out, its aliases (*name) make more than {MAX_NODES:,} values"
            raise yaml.MarkedYAMLError(problem=words)
        return node


def _check_nesting(text: str) -> None:
    """MarkedYAMLError for what is nested so deep that the parser in C would end the process."""
    depth = 0
    for event in yaml.parse(text, SAFE):
        depth += isinstance(event, BEGINS) - isinstance(event, ENDS)
        if depth > DEEPEST:
            words = f"it is nested more than {DEEPEST} deep"
            mark: Any = event.start_mark
            raise yaml.MarkedYAMLError(problem=words, problem_mark=mark)


def _count_nodes(node: yaml.Node, known: dict[int, int]) -> int:
    """Of a tree, what is shared counted as often as it stands there; ValueError in a circle."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1  # of one that holds itself
        below: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            below = node.value
        elif isinstance(node, yaml.MappingNode):
            below = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_count_nodes(part, known) for part in below)
    return known[id(node)]


def load_yaml(path: Path) -> Any:
    """Parse a YAML file safely; UserError when it is missing, not UTF-8, or not YAML.

    A key that stands twice is no YAML either: the error names it and its lines.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing", next_command="biomedgpt use demo") from None
    return parse_yaml(content, path)


def parse_yaml(content: bytes, path: Path) -> Any:
    """Parse what a YAML file held, as ``load_yaml``."""
    try:
        text = content.decode("utf-8")
        _check_nesting(text)
        return yaml.load(text, _UniqueKeys)  # noqa: S506 (a SafeLoader)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8", why=str(error), next_command="save it as UTF-8 in your editor"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none, too
        raise UserError(f"{path} is not YAML", why=str(error)) from None
    except (LookupError, TypeError, AttributeError, OverflowError) as error:  # of !!int '', say
        why = f"a value does not fit the tag before it (!!int and the like): {error!r}"
        raise UserError(f"{path} is not YAML", why=why) from None


def validate(model: type[M], values: Any, where: str) -> M:
    """Check values against a model; UserError lists each bad key, its value and what is allowed.

    A value that looks like a secret is refused before its error could show it.
    """
    _refuse_secrets(values, where)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, item) for item in error.errors()]
        what = "1 bad setting" if len(lines) == 1 else f"{len(lines)} bad settings"
        raise UserError(f"{where}: {what}", why="\n        ".join(lines)) from None


def _refuse_secrets(values: Any, where: str) -> None:
    """Settings go into manifests, dvc.lock and git, which are handed on."""
    texts = list(_texts(values))
    if not holds_secret("\n".join(text for _, text in texts)):  # one look for all: they are many
        return
    found = [key for key, text in texts if holds_secret(text)]
    if found:
        raise UserError(
            f"{where}: {', '.join(found)} looks like a secret",
            why="settings are written to dvc.lock, manifests and reports, which others read",
            next_command="take it out, and set it in the environment (AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY for S3); if it was committed, let its issuer replace it",
        )


def _texts(values: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text, and each key, with the keys that lead to it."""
    if isinstance(values, str):
        yield key, values
    elif isinstance(values, Mapping):
        for name, value in values.items():
            # a secret may stand in a key's place; an error must not show it then
            path = f"{key}.{HIDDEN if holds_secret(str(name)) else name}".lstrip(".")
            yield path, str(name)
            yield from _texts(value, path)
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from _texts(value, f"{key}.{number}")


def _explain(model: type[BaseModel], item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    if not path:  # a rule about several keys
        return str(item["msg"]).removeprefix("Value error, ")
    key, found = ".".join(path), item.get("input")
    if item["type"] == "extra_forbidden":
        allowed = sorted(_section_keys(model, path[:-1]))
        close = difflib.get_close_matches(path[-1], allowed, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        return f"{key}: unknown key{hint} Allowed here: {', '.join(allowed)}"
    if item["type"] == "missing":
        return f"{key}: missing"
    note = ""
    if isinstance(found, str) and item["type"].startswith("float"):
        note = " (YAML reads 1e-4 as text: write 1.0e-4)"
    return f"{key}: {item['msg']}, not {found!r}{note}"


def _section_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return list(model.model_fields)
