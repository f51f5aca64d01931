# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium that stays open, spoken to by its DevTools protocol over a pipe: no port, no driver."""

import base64
import itertools
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from lib.wait import patient, wait_for

Message = dict[str, Any]
READ_BYTES = 1 << 16

# The value of an expression: at once if it is the wanted one, otherwise when the document has changed.
AT_A_CHANGE = """
new Promise(done => {
    if (JSON.stringify((SCRIPT)) === WANTED) return done();
    const seen = new MutationObserver(() => end());
    const timer = setTimeout(() => end(), 1000);
    const end = () => { seen.disconnect(); clearTimeout(timer); done(); };
    seen.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
}).then(() => (SCRIPT))"""


class Chromium:
    """One process; each Tab is a page of it, with a profile of its own. netns: whose network it has."""

    def __init__(self, netns: str | None = None, arguments: tuple[str, ...] = ()) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="portsyncd-chromium-", ignore_cleanup_errors=True)
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        enter = ["ip", "netns", "exec", netns] if netns else []
        # Its descriptors 3 and 4 are the pipe. Root cannot have its sandbox.
        shell = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
        command = [
            *("bash", "-c", shell, "bash", *enter),
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--disable-background-networking", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe"),
            *(f"--user-data-dir={self._home.name}", *arguments, "about:blank"),
        ]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "HOME": self._home.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_browser, from_browser),
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._bytes = b""
        self.events: list[Message] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Message:
        """The result of a command; events that come meanwhile are kept."""
        message: Message = {"id": next(self._numbers), "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + patient(60)
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == message["id"]:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _receive(self, deadline: float) -> Message:
        while b"\0" not in self._bytes:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "chromium does not answer"
            more = os.read(self._read, READ_BYTES)
            assert more, "chromium has ended"
            self._bytes += more
        line, _, self._bytes = self._bytes.partition(b"\0")
        return json.loads(line)

    def open(self, url: str, width: int = 1400, height: int = 1200) -> "Tab":
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, context, session)
        for domain in ("Page", "Runtime", "Log"):
            tab.call(f"{domain}.enable")
        tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        tab.call("Page.navigate", url=url)
        there = "document.URL != 'about:blank' && document.readyState == 'complete'"
        wait_for(lambda: tab.run(there), what=f"{url} is loaded")
        return tab

    def close(self) -> None:
        """Ends all of its processes, which are a session of their own."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._home.cleanup()


class Tab:
    def __init__(self, browser: Chromium, context: str, session: str) -> None:
        self._browser = browser
        self._context = context
        self._session = session

    def close(self) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method: str, **parameters: Any) -> Message:
        return self._browser.call(method, self._session, **parameters)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; for a promise, what it resolves to."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, script: str, value: Any = True, timeout: float = 60.0) -> None:
        """Waits until the expression has this value; looks again when the document changes, and each second."""
        last: list[Any] = [None]
        look = AT_A_CHANGE.replace("SCRIPT", script).replace("WANTED", json.dumps(json.dumps(value)))

        def is_so() -> bool:
            last[0] = self.run(look)
            return last[0] == value

        wait_for(is_so, timeout, lambda: f"{script} is {value!r}: {last[0]!r}")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def look(self, scheme: str) -> None:
        """Shows the page as to a user who prefers "light" or "dark"."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path) -> None:
        """A PNG of the whole page."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    @property
    def complaints(self) -> list[str]:
        """The errors in its console: exceptions, and what the content security policy blocked."""
        self.run("0")
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
        return found
