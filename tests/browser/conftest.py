"""One Chromium and one JupyterLab for all tests of this folder, and both gone before the tests of the next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from browser.pages import Lab, Tab, tab
from browser.servers import ROOT, Server, jupyter_lab

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCREENSHOTS = ROOT / "build" / "screenshots"


@pytest.fixture(scope="package")
def chromium() -> Iterator:
    """A headless Chromium of the system: nothing is downloaded."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium here (looked for {', '.join(NAMES)}); Debian: sudo apt install chromium")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        # A container has no user namespaces and a small /dev/shm.
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(chromium, tmp_path_factory) -> Iterator[Server]:
    """A running JupyterLab."""
    with jupyter_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="package")
def kernel(server) -> str:
    """The id of one kernel, which the notebooks share: torch is loaded once."""
    return server.ask("api/kernels", {"name": "python3"})["id"]


@pytest.fixture
def page(chromium, server) -> Iterator[Tab]:
    """A fresh tab; a test fails if the console shows an error, or if anything is asked of another host."""
    with tab(chromium, server) as opened:
        yield opened


@pytest.fixture
def lab(page, server, kernel, tiny_folder) -> Lab:
    """Notebooks on the shared kernel, with the tiny model."""
    return Lab(page, server, kernel, tiny_folder)
