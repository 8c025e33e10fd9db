"""The one error that a person is meant to read."""


class UserError(Exception):
    """What happened, where, why, and the next command, in words that need no traceback.

    Command-line doors print it and exit with status 2; everything else is a bug and keeps its
    traceback.
    """

    def __init__(self, what: str, *, why: str = "", next_command: str = "") -> None:
        self.what, self.why, self.next_command = what, why, next_command
        lines = [what]
        if why:
            lines.append(f"  why:  {why}")
        if next_command:
            lines.append(f"  next: {next_command}")
        super().__init__("\n".join(lines))
