"""probe: ask one size the open questions, from hallucination to safety, and write what is found."""

from __future__ import annotations

import json
from pathlib import Path

from components.config import Params
from components.lineage import write_manifest
from components.probes.survey import survey_size
from components.records import Prediction, write_records
from components.stages.door import enter, limit_threads

ROOT = Path("data")


def run(params: Params, size: str) -> None:
    """Write findings as JSON, and every answer that was given on the way."""
    limit_threads(params.compute.threads)
    survey = survey_size(params, size, ROOT)
    folder = ROOT / "predictions/probes" / size
    write_records(folder / "predictions.parquet", Prediction, survey.said)
    path = ROOT / "metrics/probes" / f"{size}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(survey.found, indent=1, sort_keys=True) + "\n")
    print(f"{size}: {len(survey.said)} answers to changed questions, long texts and requests")
    examples = dict.fromkeys([*params.datasets, *params.pretrained_on, *params.zero_shot_on])
    write_manifest(
        folder,
        stage="probe",
        identity={"size": size},
        settings={
            **params.probe.model_dump(),
            "evaluate": params.evaluate.model_dump(),
            "seed": params.seed,
        },
        inputs=[
            ROOT / "vocabulary",
            ROOT / "models/instructed" / size,
            *(ROOT / "models/finetuned" / size / name for name in params.datasets),
            *(ROOT / "predictions" / size / name for name in params.datasets),
            *(ROOT / "examples" / name for name in examples),
        ],
        counts={"in": len(survey.said), "out": len(survey.said)},
    )


if __name__ == "__main__":
    enter("probe", run, "size")
