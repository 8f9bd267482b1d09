"""A real browser for tests: Chromium without a window, driven through its DevTools protocol over a pipe.

No package is needed. Tests skip where no Chromium is installed.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FOUND = next((path for name in NAMES if (path := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(FOUND is None, reason="Chromium is not installed")


class Browser:
    """One page in a browser; to be used in a ``with`` statement."""

    def __init__(self, width=1280, height=900):
        self.size = (width, height)
        self.requests, self.problems = [], []
        self._number, self._rest, self._events = 0, b"", []

    def __enter__(self):
        """Start the browser."""
        read, write = os.pipe(), os.pipe()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = (
            f"--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run "
            f"--disable-background-networking --disable-component-update --user-data-dir={self._folder.name}"
        )
        line = f"exec {FOUND} {options} --remote-debugging-pipe about:blank 3<&{read[0]} 4>&{write[1]} 2>/dev/null"
        self._process = subprocess.Popen(["bash", "-c", line], pass_fds=(read[0], write[1]))
        os.close(read[0])
        os.close(write[1])
        self._in, self._out, self._session = read[1], write[0], None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(each for each in targets if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for room in ("Page", "Runtime", "Network"):
            self.call(f"{room}.enable")
        self.resize(*self.size)
        return self

    def __exit__(self, *given):
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def call(self, method, **given):
        """Call a method of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != message["id"]:
            self._events.append(answer["method"])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self):
        while b"\0" not in self._rest:
            more = os.read(self._out, 1 << 20)
            if not more:
                raise RuntimeError("the browser ended")
            self._rest += more
        first, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(first)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(message["params"]["exceptionDetails"])
        return message

    def resize(self, width, height=900):
        """Set the size of the screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def use(self, scheme="light", media=""):
        """Ask for light or dark pages, on screen or in print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def open(self, path, script=True):
        """Open a file and wait until it is loaded."""
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self._events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while "Page.loadEventFired" not in self._events:
            self._events.append(self._read().get("method"))

    def run(self, expression):
        """Return the value of an expression in the page; promises are waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, expression):
        """Wait until an expression is true, ten seconds at most."""
        text = (
            "new Promise((done, fail) => { const end = Date.now() + 10000; (function look() { "
            f"if ({expression}) done(true); else if (Date.now() > end) fail('never true'); else setTimeout(look, 20); "
            "})(); })"
        )
        self.run(text)

    def mouse(self, kind, x, y):
        """Move or press the mouse: ``mouseMoved``, ``mousePressed``, ``mouseReleased``."""
        button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def press(self, key):
        """Press a key by its name."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def shoot(self, path):
        """Save a picture of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))
