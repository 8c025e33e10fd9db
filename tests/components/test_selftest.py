"""The page of promises is read, its tests are there, and what became of them is told."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from components import progress
from components.errors import UserError
from components.selftest import Promise, read_promises, try_promises

TESTS = """
import pytest

def test_good():
    pass

@pytest.mark.parametrize("number", [1, 2])
def test_bad(number):
    assert number == 1

def test_left():
    pytest.skip("not here")

@pytest.mark.xdist_group("alone")
def test_grouped():
    pass
"""
PAGE = """# Promises

## One

- **It is
  good.** [`test_good`](../tests/test_some.py), [`test_grouped`](../tests/test_some.py)
- **It is bad.** [`test_good`](../tests/test_some.py), [`test_bad`](../tests/test_some.py)

## Chaos, too

- **Nobody knows.** [`test_left`](../tests/test_some.py)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "docs/promises.md").write_text(PAGE)
    (tmp_path / "tests/test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_promise_names_tests_that_are_there(repository: Path) -> None:
    promises = read_promises(repository / "docs/promises.md", chaos=True)
    assert len(promises) > 20
    for promise in promises:
        assert promise.tests, promise.words
        for test in promise.tests:
            path, _, name = test.partition("::")
            tree = ast.parse((repository / path).read_text())
            assert name in {f.name for f in tree.body if isinstance(f, ast.FunctionDef)}, test


def test_a_promise_is_as_good_as_its_worst_test(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    promises, told = read_promises(chaos=True), []
    errors = try_promises(promises, told.append)
    assert [(p.heading, p.words, p.status) for p in promises] == [
        ("One", "It is good.", "kept"),
        ("One", "It is bad.", "broken"),
        ("Chaos, too", "Nobody knows.", "not tried"),
    ]
    assert promises[-1].reasons == {"not here"}
    assert list(errors) == ["tests/test_some.py::test_bad"]
    assert told == ["failed: tests/test_some.py::test_bad[2]"]
    shown = capfd.readouterr().out  # of a quarter of an hour one sees how it goes
    assert "tests: 4/4" in shown
    assert "tests: 1/1" in shown  # those of chaos come alone, at the end


def test_chaos_is_left_out_unless_it_is_asked_for(project: Path) -> None:
    assert [promise.heading for promise in read_promises()] == ["One", "One"]


def test_a_test_that_did_not_run_keeps_nothing() -> None:
    assert Promise("", "", ["tests/a.py::test_a"]).status == "not tried"


def test_where_there_are_no_tests_the_way_to_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="change to the folder that you cloned"):
        read_promises()


def test_a_test_that_cannot_be_run_is_an_error(project: Path) -> None:
    (project / "tests/test_some.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(UserError, match="could not be run") as caught:
        try_promises(read_promises(), print)
    assert "nothing_of_the_kind" in str(caught.value.why)
    assert caught.value.next_command == "python -m pytest tests/test_some.py"
