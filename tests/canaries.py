"""Made-up secrets of every form, none of which may be found in anything that a run leaves.

They are put together here, so that no scanner of repositories takes this file for a leak.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

MARK = "canary7Q"
LETTERS = "Zx9Kq3Vb7Nm2Lp5Rt8Wc4Yd6Hf1Jg0SsAaEeUu"
ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": f"{MARK}/{LETTERS[:31]}",
    "AWS_SESSION_TOKEN": f"{MARK}=session+{LETTERS}",
    "HF_TOKEN": f"plain {MARK} words",
    "STUDY_PASSWORD": f'{MARK}"quoted\\{LETTERS[:6]}',
    "PREFECT_API_KEY": f"{MARK}-prefect-key",
}
TEXTS = {
    "an AWS key": "AKIA" + "CANARYKEY7Q" + "ABCDE",
    "an AWS secret": "cAnaRy7Q" + "+" + LETTERS[:31],
    "a Hugging Face token": "hf_" + MARK + LETTERS,
    "a Prefect key": "pnu_" + MARK + LETTERS,
    "a GitHub token": "ghp_" + MARK + LETTERS,
    "a web token": f"eyJ{MARK}{LETTERS[:9]}.eyJ{LETTERS}.{LETTERS[:12]}",
    "userinfo": f"s3://user:{MARK}@bucket.example.org/prefix",
    "a signed query": f"https://example.org/a.png?X-Amz-Date=1&X-Amz-Signature={MARK}&x=2",
    "a key of NCBI": f"https://example.org/efetch?db=pubmed&api_key={MARK}",
    "a header": f"Authorization: Bearer {MARK}.{LETTERS}",
    "a setting": f"password={MARK}",
    "one of JSON": f'{{"SecretAccessKey": "{MARK}"}}',
    "a private key": f"-----BEGIN RSA PRIVATE KEY-----\n{MARK}\n-----END RSA PRIVATE KEY-----",
}
CORES = (MARK, "CANARYKEY7Q", "cAnaRy7Q")  # each canary holds one of them


def find_canaries(roots: Iterable[Path], spared: Iterable[Path] = ()) -> list[str]:
    """The files below ``roots`` that hold a canary, and which; ``spared`` are the tests' own."""
    left_out = set(spared)
    found = []
    for path in (path for root in roots for path in sorted(root.rglob("*"))):
        if path.is_file() and not path.is_symlink() and path not in left_out:
            content = path.read_bytes()
            found += [f"{path}: {core}" for core in CORES if core.encode() in content]
    return found


def say_all() -> None:
    """Print every canary; those of the environment must have been planted."""
    for text in [*TEXTS.values(), *(os.environ[name] for name in ENVIRONMENT)]:
        print("told", text)


def planted(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with the canaries in it."""
    return {**environment, **ENVIRONMENT}
