"""No memory is told in one sentence, whether it is seen before or while an answer is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import UserError
from components.serving.memory import available_memory, check_room, container_limits, memory_told
from tests.components.serving.small import draw, make_folder

STARVED = """
import resource, sys
from pathlib import Path
from components.errors import UserError
from components.serving import load

model = load(sys.argv[1], "cpu")
image = Path(sys.argv[2]).read_bytes()
print(model.ask(image, "is it normal?").text)
status = Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0]
limit = (int(status) << 10) + (8 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
model.answerer.model.encoder.embed_images.known.clear()
object.__setattr__(model.answerer, "image_px", 640)
try:
    model.ask(image, "is it normal?")
except UserError as error:
    print(error.what, "|", error.next_command)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux")
def test_an_answer_for_which_there_is_no_memory(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "x.png").write_bytes(draw(0))
    folder = make_folder(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-c", STARVED, str(folder), str(tmp_path / "x.png")],
        capture_output=True, text=True, check=False, cwd=repository,
        # what was freed goes back to the system, so that the question cannot be answered from it
        env={"OMP_NUM_THREADS": "1", "PATH": "", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "there is not enough memory to answer | end other programs" in done.stdout


@pytest.mark.skipif(available_memory() is None, reason="the system does not say what is free")
def test_weights_larger_than_what_is_free_are_not_read(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(1 << 43)  # sparse: takes no place on the disk
    with pytest.raises(UserError, match="does not fit into memory") as caught:
        check_room(weights)
    assert "GB are free" in caught.value.why


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_told():
        raise RuntimeError("shapes do not fit")
    with pytest.raises(UserError, match="not enough memory"), memory_told():
        raise MemoryError


@pytest.mark.parametrize(
    ("told", "limits"), [("max\n", []), ("2147483648\n", [2147483648]), (None, [])]
)
def test_what_a_container_allows(tmp_path: Path, told: str | None, limits: list[int]) -> None:
    path = tmp_path / "memory.max"
    if told is not None:
        path.write_text(told)
    assert container_limits([path]) == limits
