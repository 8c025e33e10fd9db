"""finetune: tune the pretrained model of one size on one data set."""

from __future__ import annotations

from pathlib import Path

from components.cards import load_card
from components.checking.examples import refuse_errors
from components.checking.tokens import Limits, examine_lengths, measure_lengths
from components.config import Params
from components.dataset.feeds import load_examples
from components.run_plan import plan_run, repeat_run
from components.runs import dispatch
from components.stages.door import enter
from components.tokenization.vocabulary import Vocabulary
from components.tuning import finetune_worker


def run(params: Params, size: str, dataset: str) -> None:
    """Train on the data set's train split, with its card's recipe over the stage's settings.

    What the limits would cut is counted first: no GPU is started on labels that are lost. Models
    of further seeds lie in folders of the first one's.
    """
    examples = Path("data/examples") / dataset
    settings = params.finetune.for_run(size, load_card(dataset).recipe)
    plan = plan_run(
        params,
        "finetune",
        size,
        settings,
        start_from=Path("data/models/pretrained") / size,
        inputs=[examples],
        out=Path("data/models/finetuned") / size / dataset,
        dataset=dataset,
    )
    limits = Limits(settings.max_source_tokens, settings.max_target_tokens)
    vocabulary = Vocabulary.load(Path(plan.vocabulary))
    lengths = measure_lengths(load_examples(examples, "train"), vocabulary, limits)
    refuse_errors(examine_lengths(lengths, settings.max_lost_labels), dataset)
    notes = {"lengths": lengths.describe()}
    runs = (*repeat_run(plan, settings.seeds), plan)  # the product itself is finished last
    dispatch(finetune_worker, *runs, workers=params.compute.workers, notes=notes)


if __name__ == "__main__":
    enter("finetune", run, "size", "dataset")
