"""Strip: the words of an explanation as HTML that can be clicked; every word a button that says its score and what was done to it."""

from __future__ import annotations

from collections.abc import Collection

from xlmkit.explanation import Explanation
from xlmkit.render import escaped, quoted
from xlmkit.render.words import language_name, largest, marked, written


def strip(
    explanation: Explanation,
    *,
    masked: Collection[int] = (),
    chosen: int | None = None,
    scale: float | None = None,
    still: bool = False,
) -> str:
    """Both sentences of a pair, each in its own language and direction, for a `Clickable`; without its style.

    Parameters
    ----------
    masked : words (places in `Explanation.words`) that the model did not see; drawn struck through.
    chosen : a word that is being worked on; drawn in a frame.
    scale : the score at the end of the colour scale; None takes the largest.
    still : without buttons, for a picture.

    Returns
    -------
    HTML in which each word's `data-xk` is "word:" and its place, of several words with one span the first's."""
    scale = largest(explanation) if scale is None else scale

    def attributes(words: tuple[int, ...]) -> str:
        hidden = any(word in masked for word in words)
        struck = 'data-masked="true" ' if hidden else ""
        if still:
            return struck
        name = _surface(explanation, words)
        score = written(explanation, float(sum(explanation.word_scores[word] for word in words)))
        said = f"{name}, {score}{', masked' if hidden else ''}"
        pressed = str(chosen in words).lower()
        return f'{struck}data-xk="word:{words[0]}" role="button" aria-pressed="{pressed}" aria-label="{quoted(said)}"'

    codes = (explanation.premise_language, explanation.hypothesis_language or "")
    rows = "".join(
        f'<div class="xk-row"><div class="xk-side">{side}<br>{escaped(language_name(codes[place]))}</div>'
        f"{marked(explanation, place, scale, attributes=attributes)}</div>"
        for place, side in enumerate(explanation.sides)
    )
    return f'<div class="xk xk-strip" lang="en" dir="ltr">{rows}</div>'


def _surface(explanation: Explanation, words: tuple[int, ...]) -> str:
    """The words as they were written, which is what a reader hears; as the model has them where nothing is written there."""
    own = [explanation.words[word] for word in words]
    text = (explanation.premise, explanation.hypothesis or "")[own[0].sentence]
    written_there = text[min(word.start for word in own) : max(word.end for word in own)]
    return written_there.strip() or " ".join(word.text for word in own)
