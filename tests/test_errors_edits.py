"""Minimal edits: the search on models whose answer is known, and on the tiny model against brute force."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from transformers import XLMWithLMHeadModel

from xlmkit import errors, inference
from xlmkit.encoding import encode, erase
from xlmkit.errors.edits import edit_text, word_order
from xlmkit.errors.search import Edit, apply_edits, likely_replacements, search
from xlmkit.notices import XlmkitWarning

TEXTS = [
    ("the dog sleeps .", "a cat eats ."),
    ("it rains today .", "it is not red ."),
    ("no one eats .", "one man eats ."),
    ("the red book", "a red cat"),
    ("a man and a dog", "a man"),
    ("the cat is in the red book .", "no cat is in ."),
]


@pytest.fixture(scope="module")
def wrong(nli):
    """The nine closest of all premises with all hypotheses, with the second best label as gold: all are errors, and most can be flipped."""
    frame = pd.DataFrame(
        [(premise, hypothesis) for premise, _ in TEXTS for _, hypothesis in TEXTS],
        columns=["premise", "hypothesis"],
    )
    found = np.array(inference.logits(nli, encode(nli, frame["premise"], frame["hypothesis"], "en")))
    ranked = np.sort(found, axis=1)
    closest = np.argsort(ranked[:, -1] - ranked[:, -2])[:9]
    golds = [nli.labels[place] for place in np.argsort(found[closest], axis=1)[:, -2]]
    names = [f"p{number}" for number in range(9)]
    return (
        frame.iloc[closest]
        .reset_index(drop=True)
        .assign(pair_id=names, item=names, language="en", gold=golds)
    )


@pytest.fixture(scope="module")
def whole(nli, wrong):
    """The minimal edits of all nine."""
    return errors.minimal_edits(nli, wrong, progress=False)


@pytest.fixture(scope="module")
def mlm(nli):
    """A language model around the same body; its head is random."""
    network = XLMWithLMHeadModel(nli.network.config)
    network.transformer.load_state_dict(nli.network.transformer.state_dict())
    return dataclasses.replace(nli, network=network.eval().requires_grad_(False), labels=(), task="mlm")


# --- the search ------------------------------------------------------------------------------------------------------------------------


def run(function, words=6, **changes):
    """Search a pair of six words, two sentences of three, on a model that says gold (1) where `function` of the words taken out is positive."""
    asked = []

    def score(variants):
        asked.extend(variants)
        return np.array([[0.0, function({edit.word for edit in edits})] for edits in variants])

    choices = {word: (Edit(word),) for word in range(words)}
    options = {"sentences": [int(word >= words / 2) for word in range(words)], **changes}
    found = search(options.pop("choices", choices), score, gold=1, **options)
    assert found.tried == len(asked)
    assert len({frozenset(edits) for edits in asked}) == len(asked), "a variant was computed twice"
    return found, [{edit.word for edit in edits} for edits in asked]


def chosen(found):
    return None if found.flip is None else {edit.word for edit in found.flip.edits}


def test_one_word_that_flips_is_found_and_of_several_the_strongest():
    found, asked = run(lambda gone: 1.0 if 4 in gone else 0.5 if 2 in gone else -1.0)
    assert (chosen(found), found.minimal, found.tried) == ({4}, True, 6)
    assert asked == [{word} for word in range(6)]


def test_two_words_that_flip_only_together_are_found_whatever_they_do_alone():
    found, _ = run(lambda gone: 1.0 if {1, 5} <= gone else -1.0 - len(gone & {1, 5}))
    assert (chosen(found), found.minimal) == ({1, 5}, True)


def test_three_words_are_called_minimal_where_all_twos_were_tried():
    found, _ = run(lambda gone: len(gone & {0, 1, 3}) - 2.5)
    assert (chosen(found), found.minimal) == ({0, 1, 3}, True)


def test_what_the_greedy_path_takes_in_vain_is_given_back():
    found, _ = run(
        lambda gone: 1.0 if {1, 2, 3, 6} <= gone else -1.0, words=10, order=(0, 1, 2, 5, 3, 6, 7, 8, 4, 9)
    )
    assert (chosen(found), found.minimal) == ({1, 2, 3, 6}, False)


def test_the_way_back_ends_at_three_words_which_are_minimal_where_all_twos_were_tried():
    found, _ = run(lambda gone: 1.0 if {1, 2, 3} <= gone else -1.0, words=10, order=tuple(range(10)))
    assert (chosen(found), found.minimal) == ({1, 2, 3}, True)


def test_two_words_that_promise_most_come_first_and_leave_room_for_the_greedy_path():
    _, asked = run(lambda gone: 0.1 * len(gone & {4, 5}) - 1.0, budget=24)
    twos = [own for own in asked if len(own) == 2]
    assert twos[0] == {4, 5}
    assert len(twos) == 24 - 6 - 6  # six single words before, and room for a variant a word after


def test_of_a_words_edits_the_one_with_the_highest_margin_counts():
    margins = {(7,): -2.0, (8,): -1.0, (9,): -3.0, (8, 9): 1.0}
    choices = {0: (Edit(0, 7), Edit(0, 8)), 1: (Edit(1, 9),)}

    def score(variants):
        return np.array([[0.0, margins[tuple(edit.piece for edit in edits)]] for edits in variants])

    assert search(choices, score, gold=1).flip.edits == (Edit(0, 8), Edit(1, 9))


def test_the_greedy_path_follows_the_given_order():
    _, asked = run(lambda gone: -1.0, order=(5, 0, 3, 1, 4, 2))
    assert [own for own in asked if len(own) > 2] == [
        {5, 0, 3},
        {5, 0, 3, 1},
    ]  # one word stays in each sentence


def test_no_sentence_loses_all_its_words():
    _, asked = run(lambda gone: -1.0)
    assert all(own & {0, 1, 2} != {0, 1, 2} and own & {3, 4, 5} != {3, 4, 5} for own in asked)
    found, asked = run(lambda gone: 1.0, sentences=(0, 0, 0, 1, None, None))
    assert {3} not in asked  # punctuation is no reason to keep a sentence
    assert found.flip is not None


def test_replacing_may_change_every_word_of_a_sentence():
    found, asked = run(
        lambda gone: 1.0 if gone == {0, 1} else -1.0,
        words=2,
        choices={0: (Edit(0, 7), Edit(0, 8)), 1: (Edit(1, 9),)},
        sentences=(),
    )
    assert chosen(found) == {0, 1}
    assert asked == [{0}, {0}, {1}, {0, 1}]


@pytest.mark.parametrize("budget", [1, 5, 6, 10, 14, 30])
def test_the_budget_is_kept_and_nothing_is_called_minimal_that_might_not_be(budget):
    found, asked = run(lambda gone: len(gone & {0, 1, 3}) - 2.5, budget=budget)
    assert len(asked) <= budget
    assert not found.minimal or budget == 30
    assert (found.flip is None) == (budget < 10)


def test_nothing_is_found_where_nothing_flips():
    found, _ = run(lambda gone: -1.0)
    assert (found.flip, found.minimal) == (None, False)


# --- variants --------------------------------------------------------------------------------------------------------------------------


def test_words_are_taken_out_as_erasure_does_it(nli, wrong):
    encoding = encode(nli, wrong["premise"], wrong["hypothesis"], "en")
    ours = apply_edits(encoding.select([1]), [(Edit(0), Edit(2)), (Edit(1),)])
    theirs = erase(encoding.select([1, 1]), [[0, 2], [1]], "delete")
    for name in ("input_ids", "langs", "attention_mask"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))


def test_a_replaced_word_is_what_the_text_with_that_word_encodes_to(nli):
    languages = {"languages": ["en", "de"], "hypothesis_languages": ["de", "en"]}
    encoding = encode(nli, ["the xerox man", "a dog"], ["a cat eats", "it rains"], **languages)
    piece = nli.tokenizer.ids(["dog"])[0]
    assert len(piece) == 1
    sizes = [sum((token.sentence, token.word) == (0, 1) for token in encoding.tokens[0])]
    assert sizes[0] > 1
    variants = [(Edit(1, piece[0]), Edit(3, piece[0])), (Edit(0, piece[0]),)]
    ours = apply_edits(encoding.select([0]), variants)
    theirs = encode(
        nli,
        ["the dog man", "dog xerox man"],
        ["dog cat eats", "a cat eats"],
        languages="en",
        hypothesis_languages="de",
    )
    for name in ("input_ids", "langs", "attention_mask"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), (name, sizes)


def test_guesses_are_the_likeliest_whole_words_of_transformers_own_language_model(mlm):
    encoding = encode(mlm, "the dog sleeps .", "a cat eats .", "en")
    for word, own in zip((1, 6), likely_replacements(mlm, encoding, (1, 6), 4), strict=True):
        numbers = [
            t.word if t.sentence == 0 else 4 + t.word if t.sentence == 1 else None for t in encoding.tokens[0]
        ]
        ids, where = [], None
        for place, number in enumerate(numbers):
            if number == word and where is not None:
                continue
            if number == word:
                where = len(ids)
            ids.append(5 if number == word else int(encoding.input_ids[0, place]))
        given = torch.tensor([ids])
        chances = mlm.network(input_ids=given, langs=torch.full_like(given, 4)).logits[0, where]
        there = [int(encoding.input_ids[0, place]) for place, number in enumerate(numbers) if number == word]
        ranked = [
            id
            for id in chances.argsort(descending=True).tolist()
            if (name := mlm.tokenizer.name(id)).endswith("</w>")
            and name[0].isalnum()
            and not (len(there) == 1 and id == there[0])
        ]
        assert [edit.piece for edit in own] == ranked[:4]
        assert {edit.word for edit in own} == {word}


# --- minimal edits ---------------------------------------------------------------------------------------------------------------------


def brute_force(nli, row, sizes=(1, 2)):
    """The smallest deletion that flips, of at most two words, by one forward pass each."""
    one = encode(nli, row.premise, row.hypothesis, row.language)
    spoken = [row.premise.split(), row.hypothesis.split()]
    texts = [text for own in spoken for text in own]
    sides = [side for side, own in enumerate(spoken) for _ in own]
    gold = nli.labels.index(row.gold)
    for size in sizes:
        outcomes = {}
        for gone in itertools.combinations(range(len(texts)), size):
            left = {sides[word] for word in range(len(texts)) if word not in gone and texts[word] != "."}
            if left == {0, 1}:
                outcomes[gone] = inference.logits(nli, erase(one, [gone], "delete"))[0]
        flips = {gone: found for gone, found in outcomes.items() if found.argmax() == gold}
        if flips:
            gone = max(flips, key=lambda own: flips[own][gold] - np.delete(flips[own], gold).max())
            return size, gone, flips[gone]
    return None


def test_up_to_two_words_the_search_finds_what_trying_everything_finds(nli, whole):
    checked = 0
    for row in whole.itertuples():
        expected = brute_force(nli, row)
        if expected is None:
            assert pd.isna(row.size) or row.size > 2
            continue
        size, gone, outcome = expected
        chances = np.exp(outcome - outcome.max()) / np.exp(outcome - outcome.max()).sum()
        assert (row.size, row.edits, row.minimal) == (size, list(gone), True)
        for label, chance in zip(nli.labels, chances, strict=True):
            assert getattr(row, f"new_p_{label}") == pytest.approx(chance, abs=1e-5)
        assert row.new_prediction == row.gold
        checked += 1
    assert checked >= 2, "the tiny model should let some errors flip"


def test_the_text_after_an_edit_is_the_text_without_the_words(whole):
    for row in whole[whole["size"].notna()].itertuples():
        words = [*row.premise.split(), *row.hypothesis.split()]
        assert row.edited_words == [words[number] for number in row.edits]
        assert row.new_words == [""] * row.size
        left = [word for number, word in enumerate(words) if number not in row.edits]
        assert f"{row.edited_premise} {row.edited_hypothesis}".split() == left


def test_what_is_taken_out_of_a_text_takes_the_space_before_it_along():
    text = "Es stimmt nicht, dass er schläft."
    place = text.index("nicht")
    assert edit_text(text, [((place, place + 5), "")]) == "Es stimmt, dass er schläft."
    assert edit_text(text, [((0, 2), ""), ((place, place + 5), "gern")]) == "stimmt gern, dass er schläft."


def test_the_result_does_not_depend_on_what_is_searched_together(nli, wrong, whole):
    alone = pd.concat(
        [errors.minimal_edits(nli, wrong.iloc[[row]], batch_tokens=1, progress=False) for row in range(2)]
    )
    pd.testing.assert_frame_equal(alone, whole.iloc[:2], rtol=1e-5, atol=1e-5)


def test_where_nothing_flips_the_new_probabilities_are_missing(nli, wrong):
    rare = wrong.iloc[:1].assign(premise="dog", hypothesis="cat")
    found = inference.logits(nli, encode(nli, "dog", "cat", "en"))[0]
    result = errors.minimal_edits(nli, rare.assign(gold=nli.labels[found.argmin()]), progress=False).iloc[0]
    assert pd.isna(result["size"])
    assert result["tried"] == 0  # each sentence has one word, and keeps it
    assert result["new_prediction"] is None
    assert np.isnan(result[f"new_p_{nli.labels[0]}"])
    assert result["edits"] == []


def test_replacements_come_from_the_language_model_and_their_probabilities_are_those_of_the_new_text(
    nli, mlm, wrong
):
    found = errors.minimal_edits(nli, wrong, mlm=mlm, top_k=3, progress=False)
    flipped = found[found["size"].notna()]
    assert len(flipped)
    for row in flipped.itertuples():
        assert all(row.new_words)
        assert "." not in row.edited_words
        again = inference.logits(nli, encode(nli, row.edited_premise, row.edited_hypothesis, row.language))[0]
        chances = np.exp(again) / np.exp(again).sum()
        assert getattr(row, f"new_p_{row.gold}") == pytest.approx(
            chances[nli.labels.index(row.gold)], abs=1e-5
        )


def test_a_one_word_sentence_can_be_edited_by_replacement(nli, mlm, wrong):
    found = errors.minimal_edits(
        nli, wrong.iloc[:1].assign(premise="dog", hypothesis="cat"), mlm=mlm, progress=False
    )
    assert len(found) == 0 or found["tried"].item() > 0


def test_right_predictions_are_left_out_with_a_notice(nli, wrong):
    label = inference.predict(nli, wrong, progress=False)["prediction"]
    mixed = wrong.assign(gold=[label[0], *wrong["gold"][1:]])
    with pytest.warns(XlmkitWarning, match="1 of 9 pairs"):
        found = errors.minimal_edits(nli, mixed, progress=False)
    assert found.index.tolist() == list(range(1, 9))
    nothing = errors.minimal_edits(nli, mixed.iloc[:1], progress=False)
    assert len(nothing) == 0
    assert list(nothing.columns) == list(found.columns)
    assert len(errors.minimal_edits(nli, mixed.iloc[:0], progress=False)) == 0


def test_the_given_frame_stays_as_it_is_and_its_columns_pass_through(nli, wrong):
    given = wrong.iloc[:2].assign(english_premise="x", english_hypothesis="y")
    before = given.copy()
    found = errors.minimal_edits(nli, given, progress=False)
    pd.testing.assert_frame_equal(given, before)
    assert found["english_premise"].eq("x").all()


def test_explanations_order_the_words_and_must_be_of_the_same_words(nli, wrong, whole):
    from xlmkit.attribution import explain

    explanations = explain(
        nli, wrong, method="occlusion", target="predicted", contrast="gold", progress=False
    )
    found = errors.minimal_edits(nli, wrong, explanations=explanations, progress=False)
    order = word_order(explanations[0], explanations[0].words)
    assert explanations[0].word_scores[list(order)].tolist() == sorted(
        explanations[0].word_scores, reverse=True
    )
    small = whole["size"].le(2)
    assert found.loc[small, "edits"].tolist() == whole.loc[small, "edits"].tolist()
    other = [dataclasses.replace(explanations[0], pair_id="p1")]
    with pytest.raises(ValueError, match=r"'p1'.*max_length"):
        errors.minimal_edits(nli, wrong, explanations=other, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "`budget`.*got 0"),
        ({"top_k": 2.5}, "`top_k`"),
        ({"mlm": "a model"}, "language model; got str"),
    ],
)
def test_options_are_checked(nli, wrong, options, message):
    with pytest.raises(ValueError, match=message):
        errors.minimal_edits(nli, wrong, progress=False, **options)


def test_a_classifier_is_no_language_model_and_a_language_model_no_classifier(nli, mlm, wrong):
    with pytest.raises(ValueError, match="got task 'nli'"):
        errors.minimal_edits(nli, wrong, mlm=nli, progress=False)
    with pytest.raises(ValueError, match="head"):
        errors.minimal_edits(mlm, wrong, progress=False)


def test_a_language_model_with_other_pieces_is_refused(nli, mlm, wrong):
    from xlmkit.tokenization import BPETokenizer

    vocabulary = {nli.tokenizer.name(id): id for id in range(len(nli.tokenizer))}
    vocabulary["zzz"] = len(vocabulary)
    other = dataclasses.replace(mlm, tokenizer=BPETokenizer(vocabulary, []))
    with pytest.raises(ValueError, match="vocabulary"):
        errors.minimal_edits(nli, wrong, mlm=other, progress=False)


def test_errors_without_gold_are_refused(nli, wrong):
    with pytest.raises(ValueError, match="none in 1 of 9"):
        errors.minimal_edits(nli, wrong.assign(gold=[None, *wrong["gold"][1:]]), progress=False)
    with pytest.raises(ValueError, match="none in 9 of 9"):
        errors.minimal_edits(nli, wrong.drop(columns="gold"), progress=False)


def test_single_texts_are_edited_too(topics):
    frame = pd.DataFrame({"pair_id": ["1"], "language": ["en"], "text": ["the dog sleeps today"]})
    found = inference.logits(topics, encode(topics, frame["text"], None, "en"))[0]
    result = errors.minimal_edits(
        topics, frame.assign(gold=topics.labels[np.argsort(found)[-2]]), progress=False
    )
    assert "edited_text" in result


# --- sizes -----------------------------------------------------------------------------------------------------------------------------


def test_sizes_by_language_by_hand():
    edits = pd.DataFrame(
        {
            "language": ["en"] * 4 + ["fr"],
            "item": [1, 2, 3, 4, 1],
            "size": pd.array([1, 2, None, 4, None], dtype="Int64"),
            "tried": [5, 10, 20, 20, 30],
        }
    )
    table = errors.edit_sizes(edits).set_index("language")
    assert table.loc["en", ["n", "flipped", "one_word", "two_words", "more", "words", "tried"]].tolist() == [
        4, 0.75, 0.25, 0.25, 0.25, pytest.approx(7 / 3), 13.75,
    ]  # fmt: skip
    assert table.loc["en", "low"] < 0.75 < table.loc["en", "high"]
    assert table.loc["fr", ["n", "flipped", "low"]].tolist() == [1, 0, 0]
    assert table.loc["fr", "high"] == pytest.approx(binomtest(0, 1).proportion_ci(method="wilson").high)
    assert np.isnan(table.loc["fr", "words"])
    assert table.loc["all", "flipped"] == 0.6
    with pytest.raises(ValueError, match="minimal_edits"):
        errors.edit_sizes(edits.drop(columns="size"))
