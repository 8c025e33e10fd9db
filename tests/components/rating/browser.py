"""Chromium, driven by its own protocol: real keys, and what the page then holds."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-quic",
         "--remote-debugging-port=0", "--remote-allow-origins=*")  # fmt: skip
PATIENCE_S = 60


class Page:
    """One open page."""

    def __init__(self, socket: Connection, port: str) -> None:
        self.socket, self.port, self.number = socket, port, 0

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; its result."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press and release keys, one after another, as a hand does."""
        codes = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), "ArrowRight": (39, "")}
        for key in keys:
            code, text = codes.get(key, (ord(key.upper()[0]), key))
            event = {"key": key, "windowsVirtualKeyCode": code}
            self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
            self.ask("Input.dispatchKeyEvent", type="keyUp", **event)

    @contextmanager
    def window(self) -> Iterator[Page]:
        """Another window of the same browser."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        address = f"ws://127.0.0.1:{self.port}/devtools/page/{target}"
        with connect(address, max_size=None) as socket:
            yield Page(socket, self.port)

    def click(self, selector: str) -> None:
        """Bring an element into view and press the left button on the middle of it."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y = self.evaluate(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])({element}.getBoundingClientRect())"
        )
        mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.ask("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", **mouse)

    def select(self, selector: str, value: str) -> None:
        """Choose an option, as its list does."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{element}.value = {json.dumps(value)}")
        self.evaluate(f"{element}.dispatchEvent(new Event('change', {{bubbles: true}}))")

    def shape(self, width: int, height: int, *, touch: bool = False, dark: bool = False) -> None:
        """Make the window so many px large, of a hand-held device with ``touch``."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=touch)  # fmt: skip
        self.ask("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def run_first(self, script: str) -> None:
        """Run a script in every page that is opened from now on, before its own."""
        self.ask("Page.enable")
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def draw(self, *, whole: bool = False) -> bytes:
        """What is seen, or all of the page, as PNG."""
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])

    def print(self) -> bytes:
        """What a printer would be given, A4, as PDF."""
        found = self.ask("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27,
                         paperHeight=11.69)  # fmt: skip
        return base64.b64decode(found["data"])

    def open(self, address: str) -> None:
        """Go to an address and wait until it is drawn."""
        self.ask("Page.enable")
        self.ask("Page.navigate", url=address)
        begun = time.monotonic()
        while (
            self.evaluate("document.readyState") != "complete"
            or self.evaluate("location.href") != address
        ):
            assert time.monotonic() - begun < PATIENCE_S, address
            time.sleep(0.05)


@contextmanager
def browse(folder: Path) -> Iterator[Page]:
    """A browser whose profile and downloads lie in a folder."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port, address = _find_page(folder / "profile/DevToolsActivePort")
        with connect(address, max_size=None) as socket:
            page = Page(socket, port)
            page.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
            yield page
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


def _find_page(port_file: Path) -> tuple[str, str]:
    """The browser's port, and the address of its first page."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE_S:
        if port_file.is_file() and (lines := port_file.read_text().splitlines()):
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            if pages:
                return lines[0], str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError("the browser opened no page")
