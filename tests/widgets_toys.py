"""What the tests of the explorers share: a frame of predictions, a model that answers from it, and how HTML is read."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import ipywidgets
import numpy as np
import pandas as pd

from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.pairs import LABELS
from xlmkit.render import BIDI_CONTROLS

HOSTILE = (
    "</title></p></textarea><script>alert(1)</script>\"><img src=x onerror=alert(1)>\u202eevil\u202c ' &"
)
TEXTS = {"ar": "الكلب نائم", "hi": "कुत्ता सो रहा है", "th": "หมานอน", "zh": "狗在睡觉", "en": "The dog sleeps"}
PATIENCE = 60.0


def make_preds() -> pd.DataFrame:
    """Six items in five languages, labels and confidences such that each filter has something to do."""
    rows = []
    for number in range(6):
        for place, (code, text) in enumerate(TEXTS.items()):
            gold, label = LABELS[number % 3], LABELS[(number + (place == number)) % 3]
            sure = 0.4 + 0.1 * place
            shares = {f"p_{name}": sure if name == label else (1 - sure) / 2 for name in LABELS}
            rows.append(
                {
                    "pair_id": f"i{number}-{code}",
                    "item": f"i{number}",
                    "language": code,
                    "premise": f"{text} {number}",
                    "hypothesis": f"{text}.",
                    "gold": gold if number < 5 else None,
                    "phenomenon": ("negation", "number")[number % 2],
                    "prediction": label,
                    **shares,
                }
            )
    return pd.DataFrame(rows)


class Tags(HTMLParser):
    """The elements of a fragment, and whether they close in order."""

    VOID = frozenset(("img", "br", "hr", "input", "meta", "link", "path", "rect", "circle"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open, f"closes {tag}, which is not open"
            assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def is_harmless(text: str) -> bool:
    tags = Tags(text)
    names = {tag for tag, _ in tags.found}
    handlers = [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    return not names & {"script", "img", "iframe", "a"} and not handlers and not BIDI_CONTROLS & set(text)


def words(text: str) -> str:
    """What a reader sees of a fragment, on one line."""
    bare = re.sub(r"<(style|title)>.*?</\1>", "", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def explanation(row: dict, method: str = "saliency", **options) -> Explanation:
    """Every word of both sentences has its number as score."""
    found = [
        ExplainedWord(match.group(), side, match.start(), match.end())
        for side, name in enumerate(("premise", "hypothesis"))
        for match in re.finditer(r"\S+", row[name])
    ]
    tokens = tuple(
        ExplainedToken(word.text, place, word.sentence, word.start, word.end)
        for place, word in enumerate(found)
    )
    return Explanation(
        pair_id=row["pair_id"],
        premise=row["premise"],
        hypothesis=row["hypothesis"],
        premise_language=row["language"],
        hypothesis_language=row["language"],
        prediction="neutral",
        probability=0.5,
        target=options.get("target", "neutral"),
        contrast=options.get("contrast"),
        tokens=tokens,
        words=tuple(found),
        scores=np.arange(1.0, len(found) + 1),
        method=method,
        output=1.0,
    )


class FakeModel:
    """Answers from a frame, and remembers what it was asked."""

    def __init__(self, preds: pd.DataFrame) -> None:
        self.preds, self.predicted, self.explained = preds, [], []

    def predict(self, pairs):
        self.predicted.append(pairs["pair_id"].to_list())
        return self.preds[self.preds["pair_id"].isin(pairs["pair_id"])]

    def explain(self, pairs, **options):
        assert "prediction" not in pairs, "a prediction is no gold label"
        self.explained.append((pairs["pair_id"].to_list(), options))
        return [explanation(row, **options) for row in pairs.to_dict("records")]


def all_controls(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    inner = [one for child in getattr(widget, "children", ()) for one in all_controls(child)]
    return [widget, *inner]
