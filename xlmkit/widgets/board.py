"""Board: the controls of `explore` and how they are laid out; they do nothing by themselves."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from xlmkit.attribution import METHODS
from xlmkit.languages import LANGUAGES
from xlmkit.render.cards import METHOD_NAMES
from xlmkit.widgets.answered import ANSWER_STYLE
from xlmkit.widgets.answering import SLOW
from xlmkit.widgets.controls import Clickable, TextField
from xlmkit.widgets.situation import NONE, RIGHT, Situation

LANGUAGE_OPTIONS = [(f"{entry.name} ({code})", code) for code, entry in LANGUAGES.items()]
FREE = {"width": "auto"}


class Board:
    """All controls of one explorer, by name; `content` is the whole.

    Parameters
    ----------
    start : what the fields hold at first.
    labels : of the model; what can be explained.
    ids : languages that the model has an id for; none where it knows no ids.
    examples : (name, value) of items to begin with, and of their languages; empty lists leave the row out."""

    def __init__(
        self,
        start: Situation,
        *,
        labels: Sequence[str],
        ids: Sequence[str],
        method: str,
        target: str,
        examples: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.fields = tuple(
            TextField(name.capitalize(), text, language=code)
            for name, text, code in zip(("premise", "hypothesis"), start.texts, start.languages, strict=True)
        )
        self.languages = tuple(
            dropdown(f"{name} language", LANGUAGE_OPTIONS, code, width="22em", label_width="11em")
            for name, code in zip(("Premise", "Hypothesis"), start.languages, strict=True)
        )
        self.example = dropdown("Example", [("(none)", ""), *examples], "")
        self.example_language = dropdown("in", LANGUAGE_OPTIONS, "en")
        self.original = ipywidgets.HTML()
        self.proposals = Clickable(label="Notes on the languages", live=True)
        id_options = [("right: each text's own", RIGHT), ("none", NONE)]
        id_options += [(f"{LANGUAGES[code].name} ({code}) for both", code) for code in ids]
        self.language_id = dropdown("Language id", id_options if ids else id_options[:1], RIGHT)
        self.method = dropdown("Explanation", [(_named(name), name) for name in METHODS], method)
        targets = [("the predicted label", "predicted"), *((label, label) for label in labels)]
        self.target = dropdown("of", targets, target)
        self.swap = button("Swap", "exchange premise and hypothesis", "exchange")
        self.undo = button("Undo", "go back one step", "undo")
        self.redo = button("Redo", "go forward one step", "repeat")
        self.hold = ipywidgets.ToggleButton(
            description="Hold for comparison", tooltip="compare what follows with this", layout=FREE
        )
        self.keep = button("Keep a picture", "leave a picture of this in the notebook, for good", "camera")
        self.save = button("Save the table", "download all steps as a table (CSV)", "download")
        self.status = Clickable(label="What the model says", live=True)
        self.progress = ipywidgets.FloatProgress(
            min=0, max=1, layout={"width": "24em", "display": "none"}, style={"description_width": "initial"}
        )
        self.answer = Clickable(label="Answer: choose a word to drop, mask or replace it")
        self.word = WordMenu()
        self.steps = Clickable(label="Steps: choose one to go back to it")
        self.content = self._laid_out(bool(examples))

    def _laid_out(self, examples: bool) -> ipywidgets.Widget:
        style = ipywidgets.HTML(f"<style>{ANSWER_STYLE}</style>")
        wrap = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px 10px"}
        sentences = [
            ipywidgets.HBox([field, language], layout={"align_items": "flex-end", "grid_gap": "0 10px"})
            for field, language in zip(self.fields, self.languages, strict=True)
        ]
        rows = [
            *([ipywidgets.HBox([self.example, self.example_language], layout=wrap)] if examples else []),
            *sentences,
            self.original,
            self.proposals,
            ipywidgets.HBox([self.language_id, self.method, self.target], layout=wrap),
            ipywidgets.HBox([self.swap, self.undo, self.redo, self.hold, self.keep, self.save], layout=wrap),
            self.status,
            self.progress,
            self.answer,
            self.word.content,
            self.steps,
            style,
        ]
        return ipywidgets.VBox(rows, layout={"max_width": "80em"})


class WordMenu:
    """What can be done to the word that is chosen; hidden while none is."""

    def __init__(self) -> None:
        self.title = Clickable(label="The word that is chosen", live=True)
        self.drop = button("Drop", "take the word out", "scissors")
        self.mask = button("Mask", "let the model see a mask in its place, or the word again", "eye-slash")
        self.words = TextField("Put in its place", rows=1)
        self.replace = button("Replace", "put what is written there in its place", "pencil")
        self.close = button("Close", "leave the word as it is", "times")
        self.content = ipywidgets.VBox(
            [
                self.title,
                ipywidgets.HBox(
                    [self.words, self.replace, self.drop, self.mask, self.close],
                    layout={"align_items": "flex-end", "grid_gap": "0 8px"},
                ),
            ],
            layout={"display": "none", "border": "1px solid rgba(128,128,128,.6)", "padding": "4px 10px"},
        )

    def show(self, html: str) -> None:
        """Open it under this title, escaped; "" closes it."""
        self.title.html = html
        self.content.layout.display = None if html else "none"


def button(text: str, meaning: str, icon: str) -> ipywidgets.Button:
    """A button that says more when pointed at."""
    return ipywidgets.Button(description=text, tooltip=meaning, icon=icon, layout=FREE)


def dropdown(
    label: str,
    options: Sequence[tuple[str, str]],
    value: str,
    *,
    width: str = "auto",
    label_width: str = "initial",
) -> ipywidgets.Dropdown:
    """A labelled choice of one of several; lists under one another line up if their labels are equally wide."""
    return ipywidgets.Dropdown(
        description=label,
        options=list(options),
        value=value,
        layout={"width": width},
        style={"description_width": label_width},
    )


def _named(method: str) -> str:
    return METHOD_NAMES.get(method, method) + (", slower" if method in SLOW else "")
