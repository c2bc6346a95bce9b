"""Odd inputs to attributions: one word, 512 pieces, nothing but marks, text that looks like a special token."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from attribution_toys import explained_by, frame

from xlmkit.attribution import METHODS, explain, interaction, language_attribution


def pair(premise, hypothesis, language="en"):
    return frame([("x", language, language, premise, hypothesis, "neutral")])


@pytest.mark.parametrize("method", METHODS)
def test_one_word_a_sentence_is_enough(nli, method):
    (found,) = explained_by(nli, pair("Dog", "No"), method)
    assert len(found.words) == 2
    assert np.isfinite(found.scores).all()
    assert found.converged is not False


@pytest.mark.parametrize("method", METHODS)
def test_a_single_text_of_one_word_is_enough(topics, method):
    (found,) = explained_by(topics, pd.DataFrame({"text": ["Dog"], "language": ["en"]}), method)
    assert (len(found.words), found.hypothesis, found.sides) == (1, None, ("text",))
    if method in ("occlusion", "kernel_shap", "lime"):  # of one word there is one way to be left out
        assert found.word_scores[0] == pytest.approx(found.change, abs=1e-6)


def test_one_word_a_sentence_interacts_and_has_a_language(nli):
    assert interaction(nli, pair("Dog", "No")).shape == (1, 1)
    assert language_attribution(nli, pair("Dog", "No", "sw"), progress=False)[0].converged


@pytest.mark.parametrize("method", sorted({*METHODS} - {"kernel_shap", "lime", "occlusion"}))
def test_a_pair_at_512_pieces_is_explained_whole(nli, method):
    long = pair("dog " * 300, "no " * 209)
    (found,) = explained_by(nli, long, method, max_length=512)
    assert (len(found.tokens), len(found.words), found.truncated) == (512, 509, False)
    assert found.converged is not False


def test_sampled_methods_at_512_pieces_need_more_samples_than_words(nli):
    long = pair("dog " * 300, "no " * 209)
    with pytest.raises(ValueError, match=r"'x'.* 509 .* 60"):
        explain(nli, long, method="kernel_shap", n_samples=60, max_length=512, progress=False)


def test_words_beyond_the_limit_are_not_among_the_explained(nli):
    (found,) = explain(nli, pair("dog " * 300, "no"), method="input_x_gradient", progress=False)
    assert (len(found.tokens), found.truncated) == (256, True)
    with pytest.raises(ValueError, match="512"):
        explain(nli, pair("dog", "no"), max_length=513, progress=False)


@pytest.mark.parametrize("text", [" ", "\u0301\u0302", ""])
def test_a_sentence_that_leaves_only_special_tokens_is_refused_by_its_row(nli, text):
    with pytest.raises(ValueError, match=r"(?i)premise"):
        explain(nli, pair(text, "No dog."), progress=False)


@pytest.mark.parametrize("method", METHODS)
def test_text_that_looks_like_special_tokens_is_ordinary_text(nli, method):
    (found,) = explained_by(nli, pair("</s> <pad> <special1>", "</s>"), method)
    assert sum(token.special for token in found.tokens) == 3
    assert {word.sentence for word in found.words} == {0, 1}
    assert np.isfinite(found.scores).all()
