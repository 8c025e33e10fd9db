"""Report, plots and curves for a browser on this machine, beside Prefect's page.

A browser follows no link from a page to a file. ``make serve`` serves these folders, to be read
and not written, and to pages of this machine alone; runs link there (flows/artifacts.py).
"""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from components.cli import REPORT
from flows.settings import HOST, port_file

# The first word of an address, and the folder that it stands for. `dvc plots show` draws the plots.
FOLDERS = {"report": REPORT.parent, "plots": Path("dvc_plots"), "curves": Path("data/live")}
CACHE = Path(".dvc/cache")  # where DVC may keep a product, with a link to it in the folder
OURS = "biomedgpt-pages"
# Beside the report's own; no more, as DVC's page of plots loads its library from elsewhere.
POLICY = "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HOSTS = (HOST, "localhost")  # else another site's name may stand for this machine (DNS rebinding)


class PageHandler(SimpleHTTPRequestHandler):
    """Answers GET and HEAD with files of FOLDERS, and with nothing else."""

    server_version, sys_version = OURS, ""

    def send_head(self) -> Any:
        """The file, once its head is sent; None where the answer is an error."""
        if self.headers.get("Host", "").partition(":")[0] not in HOSTS:
            self.send_error(403, f"ask for http://{HOST}")
            return None
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """The file of an address, index.html for a folder's; empty for what is not to be had."""
        plain = path.partition("?")[0].partition("#")[0]
        name, _, rest = plain.lstrip("/").partition("/")
        if name not in FOLDERS:
            return ""
        self.directory = str(FOLDERS[name])
        found = Path(super().translate_path(f"/{rest}"))
        try:
            if plain.endswith("/") and (found / "index.html").is_file():
                found /= "index.html"
            return str(found) if _is_within(found, FOLDERS[name]) else ""
        except (OSError, ValueError):  # no name for a file: too long, or with a zero byte
            return ""

    def end_headers(self) -> None:
        """Add what keeps a browser from guessing types, from showing an old report, and from
        showing any page within another site's."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *values: Any) -> None:
        """Say nothing: the terminal is for what runs."""


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path leads into the folder, or into DVC's cache, once links are followed."""
    real = path.resolve()
    return any(real.is_relative_to(place.resolve()) for place in (folder, CACHE))


@contextmanager
def pages_served(port: int) -> Iterator[None]:
    """Serve the folders until the block ends; where the port is taken, say so and go on without."""
    try:
        server = ThreadingHTTPServer((HOST, port), PageHandler)
    except OSError as error:
        sys.stderr.write(f"report and plots are not served: port {port}: {error.strerror}\n")
        yield
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text(str(server.server_port))
    try:
        yield
    finally:
        _file().unlink(missing_ok=True)
        server.shutdown()
        server.server_close()


def find_pages() -> str:
    """The address of this project's pages; empty where they are not served."""
    try:
        port = int(_file().read_text())
    except (FileNotFoundError, ValueError):
        return ""
    asked = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        asked.request("HEAD", "/")
        answer = asked.getresponse()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        asked.close()
    return f"http://{HOST}:{port}" if answer.getheader("Server", "").startswith(OURS) else ""


def _file() -> Path:
    """Holds the port, for as long as the pages are served."""
    return port_file().with_name("pages")
