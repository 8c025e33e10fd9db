"""What a person does about a refusal of an S3 server: the next command, by the server's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from components.errors import UserError
from components.storage import StorageError

AGAIN = "see whether the server can be reached, then the same command again: it goes on there"
# The first that fits counts. The words are S3's error codes, and botocore's and DVC's names for
# what failed; a bare 403 is the answer to a HEAD, which has no body.
ADVICE: tuple[tuple[str, str], ...] = (
    (
        r"NoCredentials|PartialCredentials|Unable to locate credentials",
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (docs/s3.md)",
    ),
    (r"ProfileNotFound", "aws configure --profile NAME, or set AWS_PROFILE to one that is there"),
    (
        r"ExpiredToken|InvalidToken|TokenRefreshRequired|SSOTokenLoad|has expired",
        "log in again (aws sso login, or a new AWS_SESSION_TOKEN), then the same command",
    ),
    (
        r"RequestTimeTooSkewed|RequestExpired|difference between the request time",
        "set this machine's clock (timedatectl set-ntp true), then the same command",
    ),
    (
        r"NoSuchBucket|bucket does not exist",
        "make the bucket (aws s3 mb s3://NAME), or name another one (docs/s3.md)",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidAccessKey",
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the endpoint: this server knows other "
        "ones",
    ),
    (
        r"AccessDenied|AccountProblem|AllAccessDisabled|Forbidden|\b40[13]\b",
        "see that the credentials (those of AWS_PROFILE, AWS_ACCESS_KEY_ID or the machine's role) "
        "allow s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there",
    ),
)


def advise(why: str, otherwise: str = AGAIN) -> str:
    """The next command for a failure that the server or its client tells so."""
    return next((advice for words, advice in ADVICE if re.search(words, why)), otherwise)


@contextmanager
def refusals_advised(what: str, otherwise: str = AGAIN) -> Iterator[None]:
    """Turn a refusal into a UserError: what could not be done, the server's words, what to do."""
    try:
        yield
    except StorageError as error:
        why = str(error)
        raise UserError(what, why=why, next_command=advise(why, otherwise)) from None
