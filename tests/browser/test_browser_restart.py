"""A notebook without its kernel, and one that is read again: pictures in place of the controls."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import expect

from browser.explorers import EXPLORE, expect_now, live, picture, predicted, spelt, write
from browser.pages import tab

pytestmark = pytest.mark.browser

CAT, NAP = "the cat sleeps today", "القطة تنام"
# JupyterLab's own questions to a kernel that is going, and what it says of that kernel's last messages.
OF_A_GOING_KERNEL = (
    "Could not restore the debugger state",
    "Error: Canceled future for",
    "Comm not found for comm id",
)
PARALLEL = """
from xlmkit.widgets import parallel
parallel(nli, xk.read_pairs("workshop"), method="none")
"""


def test_a_kernel_restart_leaves_pictures_of_the_last_state(chromium, server, lab, nli):
    # What JupyterLab says of its lost widgets comes late, and must not reach the next test.
    lab.tab.expected += OF_A_GOING_KERNEL  # its notebooks share the kernel
    with tab(chromium, server) as own:
        restarted(lab.beside(own), nli)


def restarted(lab, nli):
    options = f"premise={CAT!r}, hypothesis='a cat', hypothesis_language='ar'"
    lab.write("restarted", [EXPLORE.format(name="restarted", options=options), PARALLEL])
    shown = lab.run("restarted")
    explorer, table = live(shown).first, live(shown).last
    write(explorer, "Hypothesis", NAP)
    numbers = predicted(nli, CAT, NAP, "en", "ar")
    expect_now(explorer, numbers)
    for kept in picture(shown).all():
        expect(kept).to_be_hidden()  # while the explorer lives
    assert lab.execute("print(restarted.wait(60))") == "True"
    expect(picture(shown).first).to_contain_text(spelt(NAP))
    lab.tab.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")

    lab.tab.expected += OF_A_GOING_KERNEL
    # What the menu's "Restart Kernel" does after its question.
    lab.tab.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    check(shown, numbers)
    for dead in (explorer, table):
        expect(dead.locator(":scope > *").first).to_be_hidden()
    lab.tab.picture("restarted")

    lab.tab.expected.append(
        "Error: widget model not found"
    )  # JupyterLab's word for a widget without its kernel
    check(lab.open("restarted"), numbers)
    lab.tab.picture("reopened")

    saved = nbformat.read(lab.server.folder / "restarted.ipynb", as_version=4)
    pages = [each["data"]["text/html"] for each in saved.cells[1].outputs if "text/html" in each["data"]]
    assert spelt(NAP).search(re.sub(r"<[^>]+>", "", "".join(pages)))


def check(shown, numbers):
    """Both pictures are to be seen, in the explorer's the last text and its probabilities."""
    for kept in picture(shown).all():
        expect(kept).to_be_visible()
    drawn = picture(shown).first
    expect(drawn).to_contain_text(spelt(NAP))
    expect(drawn.locator("table.xk-bars tbody td:nth-child(3)")).to_have_text(numbers)
    expect(shown.get_by_text("Error displaying widget").locator("visible=true")).to_have_count(0)
