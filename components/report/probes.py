"""The open questions as the page shows them: sizes side by side, charts laid out, worries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.evaluation.conditions import FULL
from components.evaluation.scoring import BASELINE
from components.report.axes import (
    LEFT,
    PANEL_WIDTH,
    print_tick,
    round_ticks,
    scale_down,
    size_strength,
)
from components.report.inputs import ReportInputs
from components.report.looks import TITLES
from components.report.numbers import print_score, print_share

Worry = tuple[Literal["red", "note"], str, str, str]
VERDICTS = {
    "falls": "falls with distance: part of the score may be memory",
    "harder": "falls, as the baseline does: what is far is harder",
    "holds": "holds at a distance",
    "open": "open: the interval allows for both",
    "few": "open: too few items",
}
WAYS = {FULL: "all", **TITLES}  # as the section on images names them
OF_PEOPLE = ("sex", "age", "view")  # gaps that are asked for first: where none is, it is said
SURE = 0.05  # of adjusted p-values
LEAST_SPAN = 10.0  # of an axis, in points of a score
FILM, NOT_SHOWN = "film", "(not shown: its set may not be handed on)"


@dataclass(frozen=True, slots=True)
class Line:
    """One size's points: x, y, and the y of both bounds."""

    strength: int
    points: list[tuple[float, float, float, float]]

    @property
    def path(self) -> str:
        """The points as a polyline has them."""
        return " ".join(f"{x},{y}" for x, y, *_ in self.points)


@dataclass(frozen=True, slots=True)
class Steps:
    """Scores over ordered bins, a line for each size."""

    title: str
    metric: str
    what: str
    y_ticks: list[tuple[float, str]]
    labels: list[tuple[float, str]]
    lines: list[Line]
    notes: list[str]


Row = tuple[str, dict[str, Any]]  # a size, and what was found of it


def view_probes(inputs: ReportInputs) -> dict[str, Any]:
    """What probes.html shows; lists are empty where a question was not asked."""
    found = inputs.probes
    lengths, distance = _rows(inputs, "lengths"), _rows(inputs, "distance")
    subgroups, largest = _rows(inputs, "subgroups"), ([*found] or [""])[-1]
    return {
        "lengths": lengths,
        "length_charts": [_chart_lengths(inputs, rows) for rows in _by_set(lengths)],
        "windows": _rows(inputs, "windows"),
        "distance": distance,
        "distance_charts": [_chart_distance(inputs, rows) for rows in _by_set(distance)],
        "verdicts": VERDICTS,
        "hallucination": _order(
            inputs, [(s, row) for s, own in found.items() for row in own["hallucination"]["sets"]]
        ),
        "agreement": found[largest]["hallucination"]["agreement"] if found else {},
        "num_findings": found[largest]["hallucination"]["known"] if found else 0,
        "name_ways": _name_ways,
        "largest": largest,
        "subgroups": subgroups,
        "untold": [n for n in OF_PEOPLE if n not in {row["attribute"] for _, row in subgroups}],
        "num_gaps": len(found[largest]["subgroups"]) if found else 0,
        "safety": [
            (size, found[size]["safety"]["rates"][place])
            for place in range(len(found[largest]["safety"]["rates"]) if found else 0)
            for size in found
        ],
        "requests": _list_requests(inputs),
        "rules": found[largest]["safety"]["rules"] if found else {},
        "wording": [
            (size, own["wording"]["changes"][place])
            for place in range(_count_changes(found.get(largest, {})))
            for size, own in found.items()
        ],
    }


def _name_ways(ways: dict[str, Any]) -> list[tuple[str, Any]]:
    """What was shown, in words, with its rates: all of it first, the baseline last."""
    known = [name for name in WAYS if name in ways]
    others = [name for name in ways if name not in (*WAYS, BASELINE)]
    shown = [(WAYS.get(name, name), ways[name]) for name in (*known, *others)]
    return [*shown, ("the baseline's text", ways[BASELINE])]


def _count_changes(found: dict[str, Any]) -> int:
    return len((found.get("wording") or {"changes": []})["changes"])


def _rows(inputs: ReportInputs, key: str) -> list[Row]:
    return _order(inputs, [(size, row) for size, own in inputs.probes.items() for row in own[key]])


def _order(inputs: ReportInputs, rows: Sequence[Row]) -> list[Row]:
    """Rows by data set, as params.yaml names them, then as they are within it, then by size."""
    place = {name: number for number, name in enumerate(inputs.params.datasets)}
    return sorted(rows, key=lambda row: (place.get(row[1]["dataset"], -1), _aspect(row)))


def _aspect(row: Row) -> str:
    return str(row[1].get("kind") or row[1].get("attribute") or "")


def _by_set(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows of one data set and aspect, of every size."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row[1]["dataset"], _aspect(row)), []).append(row)
    yield from groups.values()


def _chart_lengths(inputs: ReportInputs, rows: Sequence[Row]) -> Steps:
    marks = sorted({bin_["up_to"] for _, row in rows for bin_ in row["bins"]})
    told = {
        size: f"{print_score(row['over'])} % of the items are over the limit of {row['limit']}"
        for size, row in rows
    }
    alike = len({*told.values()}) == 1  # sizes often have one limit
    notes = [*{*told.values()}] if alike else [f"{size}: {words}" for size, words in told.items()]
    places = [[marks.index(bin_["up_to"]) for bin_ in row["bins"]] for _, row in rows]
    labels = [f"to {mark}" for mark in marks]
    return _lay_out(inputs, rows, places, labels, what="length in tokens", notes=notes)


def _chart_distance(inputs: ReportInputs, rows: Sequence[Row]) -> Steps:
    num = max(len(row["bins"]) for _, row in rows)
    labels = ["far", *["middle"] * (num - 2), "near"]
    places = [[*range(len(row["bins"]) - 1), num - 1] for _, row in rows]
    notes = [f"{size}: {VERDICTS[row['verdict']]}" for size, row in rows]
    what = f"nearness by {_aspect(rows[0])}"
    return _lay_out(inputs, rows, places, labels, what=what, notes=notes)


def _lay_out(
    inputs: ReportInputs,
    rows: Sequence[Row],
    places: Sequence[Sequence[int]],
    labels: Sequence[str],
    *,
    what: str,
    notes: list[str],
) -> Steps:
    drawn = [  # a score that is not defined (null) has no place
        [(place, bin_) for place, bin_ in zip(own, row["bins"], strict=True)
         if bin_["value"] is not None]
        for (_, row), own in zip(rows, places, strict=True)
    ]  # fmt: skip
    bounds = [
        [_or(bin_[name], bin_["value"]) for name in ("low", "high")]
        for own in drawn
        for _, bin_ in own
    ]
    highest = max((high for _, high in bounds), default=LEAST_SPAN)
    lowest = min((low for low, _ in bounds), default=highest)
    ticks = round_ticks(min(highest - LEAST_SPAN, lowest), highest, 3)
    room = (PANEL_WIDTH - LEFT - 60) / max(len(labels) - 1, 1)
    lines = []
    for number, ((size, _), own) in enumerate(zip(rows, drawn, strict=True)):
        aside = 5 * (number - (len(rows) - 1) / 2)  # so that sizes do not hide each other
        points = [
            (
                round(LEFT + 30 + room * place + aside, 1),
                scale_down(bin_["value"], ticks),
                scale_down(_or(bin_["low"], bin_["value"]), ticks),
                scale_down(_or(bin_["high"], bin_["value"]), ticks),
            )
            for place, bin_ in own
        ]
        lines.append(Line(size_strength(inputs.params, size), points))
    first = rows[0][1]
    aspect = _aspect(rows[0])
    return Steps(
        title=inputs.title(first["dataset"]),
        metric=f"{first['metric']}, by {aspect}" if aspect else first["metric"],
        what=what,
        y_ticks=[(scale_down(tick, ticks), print_tick(tick)) for tick in ticks],
        labels=[(round(LEFT + 30 + room * i, 1), label) for i, label in enumerate(labels)],
        lines=lines,
        notes=notes,
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _list_requests(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Each request with the replies of every size, those that are not safe first.

    What is said of a film is not told where it may be one of a set that may not be handed on.
    """
    asked = inputs.params.zero_shot_on or inputs.params.datasets
    hidden = {"reply": NOT_SHOWN} if any(map(inputs.withholds, asked)) else {}
    requests: dict[str, dict[str, Any]] = {}
    for size, own in inputs.probes.items():
        for given in own["safety"]["replies"]:
            reply = given | (hidden if given["image"] == FILM else {})
            about = own["safety"]["kinds"][reply["kind"]]
            request = requests.setdefault(reply["id"], {**reply, "about": about, "replies": []})
            request["replies"].append((size, reply))
    return sorted(
        requests.values(), key=lambda one: all(reply["safe"] for _, reply in one["replies"])
    )


def list_worries(inputs: ReportInputs) -> Iterator[Worry]:
    """What the open questions found to worry about: level, title, detail, section."""
    falls = [
        f"{inputs.title(row['dataset'])} ({size}, {row['kind']})"
        for size, row in _rows(inputs, "distance")
        if row["verdict"] == "falls"
    ]
    gaps = [
        f"{inputs.title(row['dataset'])} ({size}), by {row['attribute']}: "
        f"{row['parts'][0]['name']} above {row['parts'][-1]['name']} by "
        f"{print_score(row['gap']['value'])}"
        for size, row in _rows(inputs, "subgroups")
        if row["q"] < SURE
    ]
    harmful = [
        f"{size}: {sum(hits)} of {len(hits)} ({print_share(sum(hits), len(hits))})"
        for size, own in inputs.probes.items()
        if any(hits := [reply["outcome"] == "harmful" for reply in own["safety"]["replies"]])
    ]
    if harmful:
        yield "red", "Harmful replies to dangerous requests", "; ".join(harmful), "safety"
    if falls:
        words = "Scores fall with distance from the training data: part of them may be memory"
        yield "note", words, "; ".join(falls), "distance"
    if gaps:
        words = "Parts of a data set are served worse than others"
        yield "note", words, "; ".join(gaps), "subgroups"
