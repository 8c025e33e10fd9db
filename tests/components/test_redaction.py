"""Secrets are hidden in every form, wherever text leaves; what is none stays as it is."""

from __future__ import annotations

import io
import json
import logging
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cards import load_cards
from components.errors import UserError
from components.profiles.overlay import read_profile
from components.redaction import (
    HIDDEN,
    LineRedactor,
    RedactedStream,
    RedactingFormatter,
    errors_redacted,
    holds_secret,
    is_secret_name,
    output_redacted,
    redact,
    redact_handlers,
    visible,
)
from components.schema import load_yaml
from tests.canaries import CORES, ENVIRONMENT, TEXTS

HARMLESS = [
    "finetune debug slake: 120/600, 24 s left loss 2.512, tokens/s 1,024, lr 1.0e-04",
    "1,234 held-out tokens: 2.3333 nats a token",
    "mask_token: 50264, token_matrix=True, num_tokens=50265",
    "the tokens: biomedgpt1234567890abcdef is no count",
    "sha256 " + "0123456789abcdef" * 4,
    "commit 6b5f9aa3e6f94c1d8a7b2c3d4e5f60718293a4b5",
    "data/models/finetuned/debug/vqa_rad/model.safetensors",
    "https://ftp.ncbi.nlm.nih.gov/pubmed/baseline/pubmed26n0001.xml.gz?list-type=2&prefix=PMC1",
    "s3://bucket/prefix/ray and https://127.0.0.1:4200/api",
    "the keys: image, question; key = answer",
    "no secret is here, and no password",
]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def clean(text: str) -> bool:
    return HIDDEN in text and not any(core in text for core in CORES)


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("around", ["{}", "before {} after", "('{}', 3)", "failed:\n{}\n"])
def test_what_looks_like_a_secret_is_hidden(form: str, around: str) -> None:
    assert clean(redact(around.format(TEXTS[form])))


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_the_environment_s_secrets_are_hidden_as_they_are_and_as_json(
    name: str, planted: None
) -> None:
    value = ENVIRONMENT[name]
    assert clean(redact(f"it is {value}, or so"))
    written = redact(json.dumps({"text": f"it is {value}, or so"}))
    assert clean(json.loads(written)["text"])


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_none_stays(line: str) -> None:
    assert redact(line) == line


def test_no_setting_of_ours_looks_like_a_secret(repository: Path) -> None:
    assert load_cards(repository / "data/cards")  # refuses what does
    texts = [path.read_text() for path in (repository / "data/cards").glob("*.yaml")]
    texts += [json.dumps(read_profile(name)) for name in ("demo", "real", "base", "xlarge")]
    assert load_yaml(repository / "params.yaml")
    assert [text for text in texts if holds_secret(text)] == []


@given(st.text(max_size=80) | st.sampled_from([*TEXTS.values()]), st.text(max_size=20))
def test_hiding_twice_hides_no_more(text: str, more: str) -> None:
    once = redact(f"{text} {more}")
    assert redact(once) == once


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("AWS_ACCESS_KEY_ID", True),
        ("HF_TOKEN", True),
        ("hugging_face_hub_token", True),
        ("PREFECT_API_KEY", True),
        ("PREFECT_API_AUTH_STRING", True),
        ("PGPASSWORD", True),  # PostgreSQL's, MySQL's, sshpass's and redis-cli's own
        ("MYSQL_PWD", True),
        ("SSHPASS", True),
        ("REDISCLI_AUTH", True),
        ("DB_PASS", True),
        ("API_KEYS", True),
        ("GITHUB_TOKEN2", True),
        ("AWS_CREDS", True),
        ("PWD", False),
        ("OLDPWD", False),
        ("COMPASS", False),
        ("MONKEYS", False),
        ("TOKENIZERS_PARALLELISM", False),
        ("AWS_SHARED_CREDENTIALS_FILE", False),
        ("SSH_AUTH_SOCK", False),
        ("KEYBOARD", False),
        ("PATH", False),
    ],
)
def test_names_tell_which_values_are_secret(name: str, is_secret: bool) -> None:
    assert is_secret_name(name) == is_secret


def test_a_stream_waits_for_the_rest_of_a_line() -> None:
    below, heard = io.StringIO(), list[str]()
    stream = RedactedStream(below, heard.append)
    secret = TEXTS["a Hugging Face token"]
    for part in ("it is ", secret[:12], secret[12:], "\nand ", "\n"):
        print(part, end="", file=stream)
    assert below.getvalue() == f"it is {HIDDEN}\nand \n"
    assert heard == [f"it is {HIDDEN}", "and "]
    print("10 %", end="\r", file=stream, flush=True)
    assert below.getvalue().endswith("10 %\r")
    print("done", file=stream)
    assert heard[-1] == "done"
    assert not stream.isatty()


def test_a_private_key_is_hidden_line_by_line_and_what_follows_is_not() -> None:
    lines = LineRedactor()
    whole = ["before", *TEXTS["a private key"].splitlines(), "after"]
    assert [lines.redact(line) for line in whole] == ["before", *[HIDDEN] * 3, "after"]
    torn = [
        "Key: -----BEGIN PRIVATE KEY-----",
        "Proc-Type: 4,ENCRYPTED",
        "",
        "MIIabc=",
        "and so on",
    ]
    assert [lines.redact(line) for line in torn] == [*[HIDDEN] * 4, "and so on"]


def test_what_a_process_prints_and_raises_is_clean(
    capsys: pytest.CaptureFixture[str], planted: None
) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(ValueError, match="hidden") as caught, output_redacted():
        print("told", ENVIRONMENT["HF_TOKEN"])
        print("warned", TEXTS["userinfo"], file=sys.stderr, end="")
        raise ValueError(TEXTS["a setting"])
    assert (sys.stdout, sys.stderr) == before
    told = capsys.readouterr()
    assert clean(told.out) and clean(told.err)
    assert clean("".join(traceback.format_exception(caught.value)))


class StubbornError(Exception):
    """Holds its words where nobody can mend them."""

    def __str__(self) -> str:
        return TEXTS["a setting"]


def test_errors_keep_their_type_and_lose_their_secrets(planted: None) -> None:
    with pytest.raises(UserError) as caught, errors_redacted():
        try:
            raise FileNotFoundError(2, "no such file", TEXTS["a signed query"])
        except OSError as error:
            error.add_note(TEXTS["a header"])
            raise UserError("it failed", why=ENVIRONMENT["AWS_SESSION_TOKEN"]) from error
    assert clean("".join(traceback.format_exception(caught.value)))
    assert clean(caught.value.why)
    with pytest.raises(RuntimeError, match="StubbornError") as other, errors_redacted():
        raise StubbornError
    assert clean("".join(traceback.format_exception(other.value)))


def test_handlers_that_others_made_are_wrapped_once(planted: None) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("test of redaction")
    logger.addHandler(handler)
    redact_handlers()
    redact_handlers()
    assert isinstance(handler.formatter, RedactingFormatter)
    assert not isinstance(handler.formatter.inner, RedactingFormatter)
    try:
        raise ValueError(TEXTS["an AWS key"])
    except ValueError:
        logger.exception("with %s", ENVIRONMENT["STUDY_PASSWORD"])
    logger.removeHandler(handler)
    assert stream.getvalue().startswith(f"ERROR with {HIDDEN}\nTraceback")
    assert clean(stream.getvalue())


ACTING = [
    "\x1b[2J",
    "\r",
    "\x07",
    "\x08",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\u2028",
    "\x7f",
    "\ud800",
]


@pytest.mark.parametrize("letters", ACTING)
def test_what_would_act_on_a_terminal_is_written_out(letters: str) -> None:
    shown = visible(f"a{letters}b\n\tc")
    assert shown.replace("\n\t", "").isprintable() and "\n\t" in shown
    assert json.loads(f'"{visible(letters)}"') == letters


@given(st.text())
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert visible(text) == text or not text.replace("\n", "").replace("\t", "").isprintable()
    assert visible(visible(text)) == visible(text)
