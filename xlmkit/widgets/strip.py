"""Strip: the words of an explanation as HTML that can be clicked; every word a button that says its score and what was done to it."""

from __future__ import annotations

from collections.abc import Collection

from xlmkit.explanation import Explanation
from xlmkit.render import quoted
from xlmkit.render.words import language_name, largest, marked, written


def strip(explanation: Explanation, *, masked: Collection[int] = (), chosen: int | None = None) -> str:
    """Both sentences of a pair, each in its own language and direction, for a `Clickable`; without its style.

    Parameters
    ----------
    masked : words (places in `Explanation.words`) that the model did not see; drawn struck through.
    chosen : a word that is being worked on; drawn in a frame.

    Returns
    -------
    HTML in which each word's `data-xk` is "word:" and its place, of several words with one span the first's."""
    scale = largest(explanation)

    def attributes(words: tuple[int, ...]) -> str:
        hidden = any(word in masked for word in words)
        name = " ".join(explanation.words[word].text for word in words)
        score = written(explanation, float(sum(explanation.word_scores[word] for word in words)))
        said = f"{name}, {score}{', masked' if hidden else ''}"
        states = [
            'data-masked="true"' if hidden else "",
            'aria-pressed="true"' if chosen in words else 'aria-pressed="false"',
        ]
        return f'data-xk="word:{words[0]}" role="button" aria-label="{quoted(said)}" {" ".join(filter(None, states))}'

    return '<div class="xk xk-strip" lang="en" dir="ltr">' + "".join(
        f'<div class="xk-row"><div class="xk-side">{side}<br>{quoted(language_name(code or ""))}</div>'
        f"{marked(explanation, place, scale, attributes=attributes)}</div>"
        for place, (side, code) in enumerate(
            zip(
                explanation.sides,
                (explanation.premise_language, explanation.hypothesis_language),
                strict=False,
            )
        )
    ) + "</div>"  # fmt: skip
