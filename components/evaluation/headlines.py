"""Where scores are written: all of a summary, and its headline alone, which DVC's tables show.

A summary holds some hundred numbers: each metric of each category under each condition. ``dvc
metrics`` and ``dvc exp show`` make a row or a column of every one, so they are given six.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.evaluation.summary import WHOLE

METRICS, HEADLINES = Path("data/metrics"), Path("data/headlines")


def write_scores(summary: Mapping[str, Any], place: str) -> None:
    """Write a summary to data/metrics/PLACE.json, and its headline to data/headlines/PLACE.json.

    A place is SIZE/DATASET, or zero_shot/SIZE/DATASET.
    """
    for folder, content in ((METRICS, summary), (HEADLINES, pick_headline(summary))):
        path = folder / f"{place}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")  # it is read while other stages run
        partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        partial.replace(path)


def pick_headline(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The first metric over all test items: its name, score, interval, baseline, and their number.

    With ``blank`` where the image was also blanked.
    """
    main = summary["scores"][summary["headline"]][WHOLE]
    picked = {key: main[key] for key in ("low", "high", "baseline", "blank", "n") if key in main}
    return {"metric": summary["headline"], "score": main["value"], **picked}
