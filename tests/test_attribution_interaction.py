"""Interaction: second differences by leaving out two words, against transformers' own forward and closed forms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from attribution_toys import ROWS, features, frame, parts

from xlmkit import forward
from xlmkit.attribution import explain, interaction
from xlmkit.encoding import WAYS


@pytest.fixture(scope="module")
def pairs():
    return frame()


def test_every_cell_is_the_second_difference_of_four_logits(nli, pairs):
    for number in (0, 3):
        found = interaction(nli, pairs[number : number + 1], top=50)
        encoding, inputs, baseline, logits = parts(nli, ROWS[number])
        own = features(encoding)[0]
        special = torch.tensor([token.special for token in encoding.tokens[0]])

        def score(
            *gone, inputs=inputs, baseline=baseline, own=own, special=special, logits=logits, found=found
        ):
            hit = torch.isin(own, torch.tensor(gone, dtype=torch.int64)) & ~special
            left = torch.where(hit[None, :, None], baseline, inputs)
            return float(logits(left)[0, nli.labels.index(found.attrs["target"])])

        rows, columns = found.attrs["premise_numbers"], found.attrs["hypothesis_numbers"]
        assert rows + columns == list(range(int(own.max()) + 1))
        for i, j in [(0, 0), (1, 1), (len(rows) - 1, len(columns) - 1)]:
            expected = score() - score(rows[i]) - score(columns[j]) + score(rows[i], columns[j])
            assert found.iloc[i, j] == pytest.approx(expected, abs=1e-5)
        assert found.attrs["output"] == pytest.approx(score(), abs=1e-5)


def test_effects_of_single_words_are_those_of_occlusion(nli, pairs):
    (explanation,) = explain(nli, pairs[:1], method="occlusion", progress=False)
    found = interaction(nli, pairs[:1], top=50)
    effects = found.attrs["premise_effects"] + found.attrs["hypothesis_effects"]
    assert effects == pytest.approx(explanation.word_scores, abs=1e-5)
    assert found.attrs["target"] == explanation.target


def test_words_that_add_up_do_not_interact(nli, pairs, monkeypatch):
    weights = torch.linspace(-1, 1, int(nli.network.config.vocab_size))

    def linear(nli, encoding):
        total = (weights[encoding.input_ids] * encoding.attention_mask).sum(1)
        return total[:, None] * torch.tensor([1.0, 2.0, 3.0])

    monkeypatch.setattr(forward, "logits", linear)
    found = interaction(nli, pairs[:1], target="neutral")
    assert np.abs(found.to_numpy()).max() < 1e-5
    assert max(map(abs, found.attrs["premise_effects"])) > 0.01


def test_a_conjunction_shows_at_its_two_words_alone(nli, pairs, monkeypatch):
    """F is 1 where a premise's third piece and the piece before the last token are both what they were, else 0."""
    encoding, *_ = parts(nli, ROWS[0])
    first, last = int(encoding.input_ids[0, 3]), int(encoding.input_ids[0, -2])

    def both(nli, encoding):
        hit = (encoding.input_ids[:, 3] == first) & (encoding.input_ids[:, -2] == last)
        return hit.float()[:, None] * torch.tensor([1.0, 2.0, 3.0])

    monkeypatch.setattr(forward, "logits", both)
    found = interaction(nli, pairs[:1], target="contradiction", top=50)
    own = features(encoding)[0]
    i, j = int(own[3]), found.attrs["hypothesis_numbers"].index(int(own[-2]))
    expected = np.zeros(found.shape)
    expected[i, j] = 1.0
    assert found.to_numpy() == pytest.approx(expected)


def test_of_a_long_sentence_the_strongest_words_stay_in_the_texts_order(nli, pairs):
    whole, some = (interaction(nli, pairs[5:], top=top) for top in (50, 3))
    effects = np.abs(whole.attrs["premise_effects"])
    assert some.attrs["premise_numbers"] == sorted(np.argsort(-effects)[:3].tolist())
    assert some.shape == (3, min(3, whole.shape[1]))
    for i, j in np.ndindex(*some.shape):
        place = some.attrs["premise_numbers"][i], some.attrs["hypothesis_numbers"][j]
        column = whole.attrs["hypothesis_numbers"].index(place[1])
        assert some.iloc[i, j] == pytest.approx(whole.iloc[place[0], column], abs=1e-5)


def test_repeated_words_are_numbered(nli):
    row = ("r", "en", "en", "The dog and the cat and the man", "No dog", "neutral")
    found = interaction(nli, frame([row]))
    assert [name for name in found.index if name.startswith("the")] == ["the", "the (2)", "the (3)"]
    assert found.index.is_unique
    assert (found.index.name, found.columns.name) == ("premise", "hypothesis")


def test_a_contrast_is_the_difference_of_two_matrices(nli, pairs):
    options = {"top": 50}
    both = interaction(nli, pairs[:1], target="entailment", contrast="neutral", **options)
    one, other = (interaction(nli, pairs[:1], target=name, **options) for name in ("entailment", "neutral"))
    assert both.to_numpy() == pytest.approx((one - other).to_numpy(), abs=1e-5)
    assert both.attrs["contrast"] == "neutral"


@pytest.mark.parametrize("perturbation", WAYS)
def test_numbers_do_not_depend_on_the_batch(nli, pairs, perturbation):
    first, *others = (
        interaction(nli, pairs[1:2], perturbation=perturbation, batch_tokens=budget)
        for budget in (1, 200, 10_000)
    )
    for other in others:
        assert other.to_numpy() == pytest.approx(first.to_numpy(), abs=1e-5)


def test_it_is_computed_in_fp32_and_carries_the_english_original(nli, pairs):
    given = pairs[1:2].assign(english_premise="The man sleeps.", english_hypothesis="It rains.")
    coarse = interaction(dataclasses.replace(nli, dtype=torch.bfloat16), given)
    assert coarse.to_numpy() == pytest.approx(interaction(nli, given).to_numpy(), abs=1e-6)
    assert coarse.attrs["english_premise"] == "The man sleeps."
    assert coarse.attrs["provenance"]["settings"]["dtype"] == "float32"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "`top`"),
        ({"top": 2.5}, "`top`.* 2.5"),
        ({"perturbation": "burn"}, "`perturbation`.*'burn'"),
        ({"target": "maybe"}, "'maybe'"),
        ({"target": "neutral", "contrast": "neutral"}, "`contrast`"),
    ],
)
def test_options_that_make_no_sense_are_refused(nli, pairs, options, message):
    with pytest.raises(ValueError, match=message):
        interaction(nli, pairs[:1], **options)


def test_it_takes_one_pair_of_two_sentences(nli, topics, pairs):
    for some in (pairs[:2], pairs[:0]):
        with pytest.raises(ValueError, match=f"{len(some)} rows"):
            interaction(nli, some)
    with pytest.raises(ValueError, match="1 rows of text"):
        interaction(topics, pairs[:1][["premise"]].rename(columns={"premise": "text"}).assign(language="en"))
