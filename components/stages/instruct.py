"""instruct: tune the pretrained model of one size on the instruction conversations."""

from __future__ import annotations

from pathlib import Path

from components.config import Params
from components.dataset.feeds import load_examples
from components.instructions.lengths import check_labels
from components.instructions.material import describe_material, tell_material
from components.run_plan import plan_run
from components.runs import dispatch
from components.stages.door import enter
from components.tokenization.vocabulary import Vocabulary
from components.tuning import instruct_worker

INSTRUCTIONS = Path("data/instructions")


def run(params: Params, size: str) -> None:
    """Say what there is to train on, refuse it where labels are lost, train on the train split."""
    settings = params.instruct.for_run(size)
    plan = plan_run(
        params,
        "instruct",
        size,
        settings,
        start_from=Path("data/models/pretrained") / size,
        inputs=[INSTRUCTIONS],
        out=Path("data/models/instructed") / size,
    )
    examples = load_examples(INSTRUCTIONS, "train")
    material = describe_material(examples, Vocabulary.load(Path(plan.vocabulary)), settings)
    print(tell_material(material))
    check_labels(material["lengths"], settings.max_lost_labels, f"instruct {size}")
    notes = {"material": material}
    dispatch(instruct_worker, plan, workers=params.compute.workers, notes=notes)


if __name__ == "__main__":
    enter("instruct", run, "size")
