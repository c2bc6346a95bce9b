"""One Chromium and one JupyterLab for all tests of this folder, and both gone before the tests of the next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from browser.pages import SCREENSHOTS, Lab, Tab, tab
from browser.servers import PATIENCE, Server, jupyter_lab

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of the system: nothing is downloaded."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium here (looked for {', '.join(NAMES)}); Debian: sudo apt install chromium")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
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


@pytest.fixture(scope="package")
def window(chromium, server) -> Iterator[Tab]:
    """One tab, in which JupyterLab starts once."""
    with tab(chromium, server) as opened:
        yield opened


@pytest.fixture
def page(request, window) -> Iterator[Tab]:
    """The tab; a test fails if the console shows an error, or if anything is asked of another host."""
    yield window
    if getattr(request.node, "failed", False):
        window.picture(f"failed-{request.node.name}")
    window.check()


@pytest.fixture
def lab(page, server, kernel, tiny_folder) -> Lab:
    """Notebooks on the shared kernel, with the tiny model."""
    return Lab(page, server, kernel, tiny_folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember that a test failed, so that its tab can be photographed before it is closed."""
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True
    return report
