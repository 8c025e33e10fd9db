"""gather_pretraining: name the examples that pretraining reads, by the hashes of their products."""

from __future__ import annotations

from pathlib import Path

from components.config import Params
from components.lineage import write_manifest
from components.stages.door import enter

EXAMPLES, OUT = Path("data/examples"), Path("data/pretraining")


def run(params: Params) -> None:
    """Write a manifest whose inputs are the products of these sets, and nothing else.

    DVC takes a folder as a whole, and no list of a length that params.yaml decides: what depended
    on all of data/examples would be trained anew for every data set that is added beside.
    """
    names = [*params.pretrained_on, *params.pretraining_sources]
    print(f"pretraining reads {', '.join(names) or 'no examples'}")
    write_manifest(
        OUT,
        stage="gather_pretraining",
        identity={},
        settings={},
        inputs=[EXAMPLES / name for name in names],
        counts={"in": len(names), "out": len(names)},
    )


if __name__ == "__main__":
    enter("gather_pretraining", run)
