"""What a manifest of raw files says decides what is made anew."""

from __future__ import annotations

import pytest

from components.config import AcquireParams
from components.stages.acquire import describe_settings
from tests.components.stages.conftest import Configure


@pytest.mark.parametrize(
    ("change", "followers"),
    [
        ({"workers": 9, "max_gib": 1.5}, set()),
        ({"medline": {"newest": 3}}, {"pubmed"}),
        ({"pmc": {"num_articles": 7}}, {"pmc_oa", "biomed_vital"}),
        ({"sample_images": 9}, {"pubmed", "pmc_oa", "biomed_vital", "vqa_rad"}),
    ],
)
def test_a_source_follows_the_settings_that_decide_what_it_holds(
    configure: Configure, change: dict[str, object], followers: set[str]
) -> None:
    def describe(settings: AcquireParams) -> dict[str, dict[str, object]]:
        names = ("pubmed", "pmc_oa", "biomed_vital", "vqa_rad")
        return {name: describe_settings(settings, name) for name in names}

    before, after = describe(configure().acquire), describe(configure(acquire=change).acquire)
    assert {name for name in before if before[name] != after[name]} == followers
