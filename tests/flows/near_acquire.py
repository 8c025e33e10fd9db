"""The door of acquire, which may fetch from this machine, too: NLM's files are served here.

python -m tests.flows.near_acquire --source pubmed
"""

from __future__ import annotations

from functools import partial

from components.stages import acquire
from components.stages.door import enter

if __name__ == "__main__":
    near = partial(acquire.bring, allow_loopback=True)
    vars(acquire)["bring"] = near
    enter("acquire", acquire.run, "source")
