"""JupyterLab shows what the kernel says; the harness sees an error when there is one."""

from __future__ import annotations

import pytest

from browser.pages import tab

pytestmark = pytest.mark.browser

COUNTER = """
import ipywidgets
button, shown = ipywidgets.Button(description="more"), ipywidgets.IntText(0, description="count")
button.on_click(lambda _: setattr(shown, "value", shown.value + 1))
ipywidgets.VBox([button, shown])
"""


def test_a_widget_answers_in_jupyterlab(lab):
    lab.write("counter", [COUNTER], setup=False)
    shown = lab.run("counter")
    more = shown.get_by_role("button", name="more")
    more.click()
    more.click()
    count = shown.get_by_label("count")
    lab.tab.page.wait_for_function("field => field.value === '2'", arg=count.element_handle())


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("console.error('broken')", "console"),
        ("setTimeout(() => { throw Error('broken') })", "console"),
        ("alert('broken')", "script of the data"),
        ("fetch('http://cdn.example/x.js').catch(() => 0)", "another host"),
    ],
)
def test_the_harness_sees_what_goes_wrong(chromium, server, script, message):
    def visit():
        with tab(chromium, server) as opened:
            opened.page.evaluate(script)
            opened.page.evaluate("() => new Promise(done => setTimeout(done))")  # what the script left to do

    with pytest.raises(AssertionError, match=message):
        visit()
