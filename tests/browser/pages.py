"""What a test does with a tab: open a notebook, run it, look at it; and what a tab must never do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat

from browser.servers import PATIENCE, ROOT, Server

SCREENSHOTS = ROOT / "build" / "screenshots"
# JupyterLab's word when a notebook is left while its debugger still asks the kernel.
DEBUGGER = "Could not restore the debugger state: Canceled future"
WIDTH, HEIGHT = 1280, 900
# voila's own template asks for icons here, and shows those that it brings along where that fails.
ICONS_OF_VOILA = "https://cdn.jsdelivr.net/npm/@fortawesome/"


@dataclass
class Tab:
    """A tab, and what went wrong in it."""

    page: Any
    errors: list[str] = field(default_factory=list)  # of the console, and uncaught exceptions
    abroad: list[str] = field(default_factory=list)  # addresses on another host than the server's
    dialogs: list[str] = field(default_factory=list)  # alert(), confirm(), prompt()
    expected: list[str] = field(default_factory=list)  # beginnings of errors that a test brings about

    def check(self) -> None:
        """Raise if anything went wrong since the last check."""
        dialogs, abroad = self.dialogs[:], self.abroad[:]
        errors = [error for error in self.errors if not error.startswith(tuple(self.expected))]
        for one in (self.dialogs, self.abroad, self.errors, self.expected):
            one.clear()
        assert not dialogs, "a script of the data ran"
        assert not abroad, f"the page asks for something on another host: {abroad}"
        assert not errors, f"the browser's console shows errors: {errors}"

    def picture(self, name: str, of: Any = None) -> Path:
        """A screenshot in build/screenshots, of one element or of the window."""
        path = SCREENSHOTS / f"{name}.png"
        (self.page if of is None else of).screenshot(path=path)
        return path


EXECUTE = """async code => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, store_history: false});
    let printed = "";
    future.onIOPub = message => { if (message.header.msg_type === "stream") printed += message.content.text; };
    const reply = await future.done;
    if (reply.content.status !== "ok") throw Error(reply.content.ename + ": " + reply.content.evalue);
    return printed.trim();
}"""


# Whatever is open is closed unsaved; the session that `write` started is found by its path.
OPEN = """async path => {
    await jupyterapp.restored;
    for (const widget of [...jupyterapp.shell.widgets("main")]) {
        if (widget.context) widget.context.model.dirty = false;
        widget.dispose();
    }
    const panel = await jupyterapp.commands.execute("docmanager:open", {path});
    await panel.context.ready;
    await panel.sessionContext.ready;
}"""


@contextmanager
def tab(browser: Any, server: Server) -> Iterator[Tab]:
    """A tab with cookies of its own; whatever went wrong in it raises when it is closed."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB")
    context.set_default_timeout(PATIENCE * 1000)
    opened = Tab(context.new_page())
    host = urlsplit(server.url).netloc

    def request(route: Any) -> None:
        address = urlsplit(route.request.url)
        if address.netloc == host or address.scheme in ("data", "blob"):
            route.continue_()
        else:
            if not route.request.url.startswith(ICONS_OF_VOILA):
                opened.abroad.append(route.request.url)
            route.abort()

    def asked(dialog: Any) -> None:
        opened.dialogs.append(dialog.message)
        dialog.dismiss()

    def said(message: Any) -> None:
        foreign = message.location["url"].startswith(ICONS_OF_VOILA) or message.text.startswith(DEBUGGER)
        if message.type == "error" and not foreign:
            opened.errors.append(f"{message.text} ({message.location['url']})")

    context.route("**/*", request)
    opened.page.on("console", said)
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on("dialog", asked)
    try:
        yield opened
    finally:
        context.close()
    opened.check()


@dataclass(frozen=True)
class Lab:
    """JupyterLab in a tab: notebooks made of cells, all on one kernel."""

    tab: Tab
    server: Server
    kernel: str
    model: Path

    def write(self, name: str, cells: Sequence[str], *, setup: bool = True) -> None:
        """Save a notebook of code cells and start its session on the shared kernel; `setup` loads the tiny model as `nli`."""
        first = [f"import xlmkit as xk\nnli = xk.load({str(self.model)!r}, device='cpu', dtype='float32')"]
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in [*(first if setup else []), *cells]],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, self.server.folder / f"{name}.ipynb")
        session = {"path": f"{name}.ipynb", "name": f"{name}.ipynb", "type": "notebook"}
        self.server.ask("api/sessions", {**session, "kernel": {"id": self.kernel}})

    def open(self, name: str) -> Any:
        """Show a saved notebook in JupyterLab, alone, and wait until its kernel is there; the notebook's locator."""
        page = self.tab.page
        if not page.url.startswith(
            self.server.url
        ):  # JupyterLab starts once in a tab: that takes the most time
            page.goto(f"{self.server.url}lab/workspaces/{name}?reset&token={self.server.token}")
            page.wait_for_function("() => window.jupyterapp !== undefined")
        page.evaluate(OPEN, f"{name}.ipynb")
        shown = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        shown.locator(".jp-Cell").first.wait_for()
        page.wait_for_function(
            "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.connectionStatus === 'connected'"
        )
        return shown

    def run(self, name: str) -> Any:
        """Show a notebook, run all its cells and wait for the last; the notebook's locator."""
        shown = self.open(name)
        page = self.tab.page
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        cells = page.evaluate("() => jupyterapp.shell.currentWidget.content.model.toJSON().cells")
        errors = [each for cell in cells for each in cell["outputs"] if each["output_type"] == "error"]
        assert not errors, "\n".join(f"{error['ename']}: {error['evalue']}" for error in errors)
        return shown

    def execute(self, code: str) -> str:
        """Run code in the kernel of the shown notebook, outside its cells, once what it does now is done; what is printed."""
        return self.tab.page.evaluate(EXECUTE, code)

    def beside(self, tab: Tab) -> Lab:
        """The same JupyterLab and kernel in another tab."""
        return replace(self, tab=tab)
