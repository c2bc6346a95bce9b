"""A JupyterLab or a voila of one's own: on a free port, with its settings in a folder of its own, and gone afterwards."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0  # seconds that anything may take on a busy machine; nothing here waits for that long when all is well


@dataclass(frozen=True)
class Server:
    """A running server, the folder that it serves, and what it writes."""

    url: str  # ends in "/"
    token: str  # "" where none is asked for
    folder: Path
    log: Path

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What Jupyter's REST interface answers at `path`; a `body` is sent by POST."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith(("{", "[")) else text


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(home: Path) -> dict[str, str]:
    """Variables that keep Jupyter's and IPython's files in `home`, the network away, and every kernel on one thread."""
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    variables = {name: str(home / place) for name, place in places.items()}
    variables |= {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **variables, "PYTHONPATH": str(ROOT)}


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server, and with it its kernels."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)


@contextmanager
def running(command: Sequence[str], *, folder: Path, home: Path, token: str) -> Iterator[Server]:
    """Start `command` with a free port; yield once it answers.

    Raises
    ------
    RuntimeError : if the server ends, or has not answered within `PATIENCE`; its log is in the message.
    """
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    server = Server(f"http://127.0.0.1:{port}/", token, folder, home / "server.log")
    with server.log.open("wb") as log:
        started = [sys.executable, "-m", *command, f"--port={port}"]
        process = subprocess.Popen(
            started, cwd=folder, env=environment(home), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                server.ask("api/status")
                break
            except urllib.error.HTTPError:
                break  # an answer all the same: voila does not know that path
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start:\n{server.log.read_text()}") from error
                time.sleep(0.05)  # between two questions, until it listens
        yield server
    finally:
        stop(process)


@contextmanager
def jupyter_lab(home: Path) -> Iterator[Server]:
    """A `jupyter lab` as a user has it, less the news; a page's scripts reach it as `jupyterapp`."""
    folder, token = home / "work", secrets.token_hex(16)
    folder.mkdir(parents=True)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    options = [
        "--no-browser",
        "--ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
    ]
    options += ["--allow-root"] if os.getuid() == 0 else []
    with running(["jupyterlab", *options], folder=folder, home=home, token=token) as lab:
        yield lab


@contextmanager
def voila(notebook: Path, home: Path) -> Iterator[Server]:
    """A `voila` that serves a copy of one notebook as a page without code."""
    folder = home / "work"
    folder.mkdir(parents=True)
    shutil.copy(notebook, folder)
    options = [notebook.name, "--no-browser", "--Voila.ip=127.0.0.1", "--preheat_kernel=False"]
    with running(["voila", *options], folder=folder, home=home, token="") as page:
        yield page
