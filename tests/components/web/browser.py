"""Chromium with a mouse, files to choose, and a window of any size, light or dark."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.components.rating.browser import CHROMIUM, PATIENCE_S, Page, browse

__all__ = ["CHROMIUM", "WebPage", "open_page"]


class WebPage(Page):
    """A page that is clicked, and whose complaints are kept."""

    def click(self, selector: str) -> None:
        """A real press of the mouse at the middle of an element, once it is there and in view."""
        found = json.dumps(selector)
        self.wait(f"document.querySelector({found})?.getClientRects().length")
        box = self.find_still(f"document.querySelector({found})")
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def find_still(self, element: str) -> dict[str, float]:
        """Where an element is in view, once nothing that arrives above it moves it any more."""
        box: dict[str, float] = {}
        for _ in range(100):
            self.evaluate(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
            before, box = box, self.evaluate(f"{element}.getBoundingClientRect().toJSON()")
            if box == before:
                return box
            time.sleep(0.1)
        raise AssertionError(f"{element} never stands still")

    def choose(self, file: Path) -> None:
        """A file in the page's file chooser."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.ask("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    def wait(self, condition: str) -> bool:
        """True, as soon as an expression is; it fails where that takes too long."""
        begun = time.monotonic()
        while not self.evaluate(f"!!({condition})"):
            assert time.monotonic() - begun < PATIENCE_S, f"{condition}: {self.text('body')}"
            time.sleep(0.05)
        return True

    def text(self, selector: str) -> str:
        """What an element says."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText"))

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """A window of a size, that of a phone where it is narrow."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def shoot(self, path: Path) -> None:
        """A picture of the window."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))


@contextmanager
def open_page(folder: Path, address: str) -> Iterator[WebPage]:
    """The page of a server, ready; it must not have complained when the block ends."""
    with browse(folder) as page:
        own = WebPage(page.socket, page.port)
        own.ask("Page.addScriptToEvaluateOnNewDocument", source="""
            window.complaints = [];
            addEventListener("error", (event) => complaints.push(String(event.message)));
            addEventListener("unhandledrejection", (event) => complaints.push(`${event.reason}`));
            addEventListener("securitypolicyviolation",
                (event) => complaints.push(`${event.violatedDirective} ${event.blockedURI}`));
        """)  # fmt: skip
        own.open(f"{address}/")
        own.wait("document.getElementById('facts').children.length")
        yield own
        assert own.evaluate("complaints") == []
