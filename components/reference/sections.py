"""Typed settings as Markdown tables, read off their JSON Schema: what the types say, no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.schema import Section

Schema = Mapping[str, Any]
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
WORDS = {"string": "text", "boolean": "true or false", "null": "nothing", "object": "mapping"}


def tell_sections(model: type[Section], values: Mapping[str, Any] | None = None) -> list[str]:
    """Lines of Markdown: a model's own keys, then under a heading each those of its sections.

    ``values`` are shown beside the keys, as an example of them; a section's heading is its path,
    ``[]`` of items of a list and ``NAME`` of any name.
    """
    whole = model.model_json_schema()
    lines = _tell_keys(whole, values)
    for path, schema in _find_sections(whole, whole.get("$defs", {}), ""):
        found: Any = values
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        # deeper headings only indent the page's contents: one level is looked through faster
        lines += ["", f"## `{path}`", "", schema.get("description", ""), ""]
        lines += _tell_keys(schema, found if isinstance(found, Mapping) else None)
    return lines


def _find_sections(schema: Schema, known: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every section below one, with its path, depth first and in the order of the keys."""
    for name, key in schema["properties"].items():
        for within, mark in ((key, ""), (key.get("items"), "[]"), (_of_any_name(key), ".NAME")):
            if within and "$ref" in within:
                below = known[within["$ref"].rsplit("/", 1)[1]]
                here = f"{path}{name}{mark}"
                yield here, below
                yield from _find_sections(below, known, f"{here}.")


def _of_any_name(key: Schema) -> Schema | None:
    found = key.get("additionalProperties")
    return found if isinstance(found, Mapping) else None


def _tell_keys(schema: Schema, values: Mapping[str, Any] | None) -> list[str]:
    """The table of a section's keys, but for those that have a table of their own."""
    needed = schema.get("required", [])
    rows = []
    for name, key in schema["properties"].items():
        if "$ref" in key:
            continue
        shown = values.get(name) if values else None
        if shown is None and name not in needed:
            shown = key.get("default", "")
        cells = [f"`{name}`", key.get("description", ""), tell_kind(key), _code(shown)]
        rows.append(table_row(cells))
    title = "in the demo" if values else "default"
    return [table_row(["key", "meaning", "what may stand there", title]), "|---" * 4 + "|", *rows]


def tell_kind(key: Schema) -> str:
    """What a value may be, in words: its kind, its bounds or the words to choose from."""
    if "enum" in key:
        return ", ".join(f"`{word}`" for word in key["enum"])
    if "anyOf" in key:
        return " or ".join(tell_kind(one) for one in key["anyOf"])
    if "$ref" in key:
        return "keys as below"
    kind = key["type"]
    if kind == "array":
        return f"list of: {tell_kind(key['items'])}"
    if kind == "object":
        below = _of_any_name(key)
        return f"mapping of names to: {tell_kind(below)}" if below else WORDS[kind]
    bounds = [f"{sign} {key[name]}" for name, sign in BOUNDS.items() if name in key]
    bounds += [f"multiple of {key['multipleOf']}"] if "multipleOf" in key else []
    bounds += [f"like `{key['pattern']}`"] if "pattern" in key else []
    return f"{WORDS.get(kind, kind)} {', '.join(bounds)}".strip()


def _code(value: Any) -> str:
    """A value as YAML would have it on one line; nothing of what is empty."""
    if value in ("", None, [], {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"


def table_row(cells: list[str]) -> str:
    """One row of a Markdown table; no line end or bar ends a cell before its time."""
    return "| " + " | ".join(_guard_bars(" ".join(cell.split())) for cell in cells) + " |"


def _guard_bars(cell: str) -> str:
    """Bars outside of code as entities: in code they end no cell, and entities are not read."""
    parts = cell.split("`")
    return "`".join(part if i % 2 else part.replace("|", "&#124;") for i, part in enumerate(parts))
