"""Alignment: matching by hand-made similarities, vectors against transformers' own states, quality against every shuffle, agreement against scipy."""

import copy
import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from xlmkit import alignment
from xlmkit.alignment import rationales
from xlmkit.alignment.align import WordVectors, default_layer, match, similarity, word_vectors
from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.forward import Budget

TEXTS = {
    "en": ("the dog sleeps today", "it rains"),
    "de": ("der hund schläft heute", "es regnet"),
    "fr": ("le chien dort", "il pleut"),
}


def parallel(languages=("en", "de", "fr"), items=("a", "b")):
    rows = [
        {
            "pair_id": f"{item}-{code}",
            "item": item,
            "language": code,
            "premise": TEXTS[code][0] + (" today" if item == "b" else ""),
            "hypothesis": TEXTS[code][1],
        }
        for item in items
        for code in languages
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def one_tongue(nli):
    """The tiny model with all language embeddings zero: the same text is the same in every language."""
    network = copy.deepcopy(nli.network)
    with torch.no_grad():
        network.transformer.lang_embeddings.weight.zero_()
    return dataclasses.replace(nli, network=network)


# --- matching --------------------------------------------------------------------------------------------------------------------------


def test_argmax_joins_words_that_are_each_others_nearest():
    similar = np.array([[0.9, 0.1, 0.2], [0.8, 0.3, 0.1], [0.2, 0.6, 0.5]])
    assert np.argwhere(match(similar, "argmax")).tolist() == [[0, 0], [2, 1]]


def test_itermax_joins_what_argmax_leaves_and_gives_a_second_partner_at_a_discount():
    similar = np.array([[0.9, 0.1, 0.2], [0.8, 0.3, 0.1], [0.2, 0.6, 0.5]])
    # Second round, weights: row 1 and column 2 are free. Row 1: 0.72 0.27 0.1; column 2: 0.18 0.1 0.45. So (1, 0) and (2, 2) are new.
    assert np.argwhere(match(similar, "itermax")).tolist() == [[0, 0], [1, 0], [2, 1], [2, 2]]


def test_a_second_partner_counts_a_tenth_less_than_a_first():
    similar = np.array([[0.9, 0.1, 0.2], [0.8, 0.1, 0.75], [0.2, 0.6, 0.5]])
    # For the free row 1, column 0 is taken: 0.9 x 0.8 = 0.72 is less than 0.75 of the free column 2.
    assert np.argwhere(match(similar, "itermax")).tolist() == [[0, 0], [1, 2], [2, 1]]


def test_words_that_both_have_partners_are_not_joined_where_nothing_else_is_alike():
    similar = np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4])
    assert np.argwhere(match(similar, "itermax")).tolist() == [[0, 1], [1, 0]]


def test_itermax_contains_argmax_and_stops_where_nothing_is_free():
    generator = np.random.default_rng(0)
    for shape in [(1, 1), (1, 5), (2, 6), (5, 5), (7, 4)]:
        similar = generator.random(shape)
        assert (match(similar, "itermax") >= match(similar, "argmax")).all()
    assert (match(np.eye(4), "itermax") == np.eye(4, dtype=bool)).all()


def test_similarity_is_the_cosine_to_each_sentences_own_mean():
    generator = np.random.default_rng(1)
    first, second = generator.normal(size=(4, 8)), generator.normal(size=(3, 8))
    found = similarity(first, second)
    one, other = first[2] - first.mean(0), second[1] - second.mean(0)
    assert found[2, 1] == pytest.approx((one @ other / np.linalg.norm(one) / np.linalg.norm(other) + 1) / 2)
    assert similarity(first + 5.0, second - 3.0) == pytest.approx(found)


def test_a_sentence_of_one_word_is_aligned_with_its_nearest_word():
    word = np.array([[1.0, 0.0]])
    others = np.array([[0.0, 1.0], [-1.0, 0.2], [1.0, 0.1]])
    assert np.argwhere(match(similarity(word, others))).tolist() == [[0, 2]]


# --- vectors and align -----------------------------------------------------------------------------------------------------------------


def test_a_words_vector_is_the_mean_of_its_tokens_states_as_transformers_computes_them(nli):
    frame = parallel(items=("a",))
    found = word_vectors(nli, frame, [0, 1, 2])
    from xlmkit.encoding import encode

    encoding = encode(nli, frame["premise"], frame["hypothesis"], frame["language"])
    states = nli.network.transformer(
        input_ids=encoding.input_ids,
        attention_mask=encoding.attention_mask,
        langs=encoding.langs,
        output_hidden_states=True,
    ).hidden_states
    split = [
        len(tokens) > len({(token.sentence, token.word) for token in tokens}) + 2
        for tokens in encoding.tokens
    ]
    assert any(split)  # some word has several tokens
    for row, tokens in enumerate(encoding.tokens):
        words = list(dict.fromkeys((t.sentence, t.word) for t in tokens if not t.special))
        assert [word.text for word in found[row].words] == [
            encoding.words[row][sentence][word].text for sentence, word in words
        ]
        for layer in range(3):
            for number, word in enumerate(words):
                places = [place for place, t in enumerate(tokens) if (t.sentence, t.word) == word]
                expected = states[layer][row, places].mean(0)
                assert found[row].vectors[layer, number] == pytest.approx(expected.numpy(), abs=2e-5)


def test_vectors_do_not_depend_on_the_batches(nli):
    frame = parallel()
    for one, other in zip(
        word_vectors(nli, frame, [2]), word_vectors(nli, frame, [2], budget=Budget(1)), strict=True
    ):
        assert one.vectors == pytest.approx(other.vectors, abs=1e-5)


def test_a_text_aligned_with_itself_gives_every_word_itself(one_tongue):
    frame = parallel(languages=("en", "de"), items=("a",))
    frame[["premise", "hypothesis"]] = TEXTS["en"]
    for matching in alignment.MATCHINGS:
        found = alignment.align(one_tongue, frame, matching=matching, progress=False)
        assert found["first_word"].tolist() == found["second_word"].tolist() == list(range(6))
        assert found["first_text"].tolist() == " ".join(TEXTS["en"]).split()
        assert found["sentence"].tolist() == ["premise"] * 4 + ["hypothesis"] * 2
        assert found["similarity"].to_numpy() == pytest.approx(1.0)


def test_a_premises_word_is_never_aligned_with_a_hypothesiss(nli):
    found = alignment.align(nli, parallel(), progress=False)
    premise = found["sentence"] == "premise"
    lengths = {code: len(premise.split()) for code, (premise, _) in TEXTS.items()}
    longer = (found["item"] == "b").astype(int)
    for side in ("first", "second"):
        assert ((found[f"{side}_word"] < found[side].map(lengths) + longer) == premise).all()


def test_language_ids_are_each_rows_own(nli):
    frame = parallel(languages=("en", "de"), items=("a",))
    again = frame.assign(premise=TEXTS["en"][0], hypothesis=TEXTS["en"][1])
    english, german = word_vectors(nli, again, [2])
    assert np.abs(english.vectors - german.vectors).max() > 0.1


def test_an_item_missing_in_a_language_is_left_out_there_and_counted(nli):
    frame = parallel(items=("a", "b", "c")).query("pair_id not in ['b-fr', 'c-en']")
    found = alignment.align(nli, frame, progress=False)
    assert found.attrs["missing"] == {"en-de": 1, "en-fr": 2, "de-fr": 1}
    items = found.groupby(["first", "second"])["item"].agg(set).to_dict()
    assert items == {("en", "de"): {"a", "b"}, ("en", "fr"): {"a"}, ("de", "fr"): {"a", "c"}}


def test_the_default_layer_is_two_thirds_of_the_way_up(nli):
    assert default_layer(nli) == 1
    for layers, expected in ((8, 5), (12, 8), (3, 2)):
        network = copy.deepcopy(nli.network)
        network.config.n_layers = layers
        assert default_layer(dataclasses.replace(nli, network=network)) == expected


def test_words_that_were_cut_off_are_not_aligned(one_tongue):
    frame = parallel(languages=("en", "de"), items=("a",)).assign(
        premise="the dog " * 300, hypothesis="it rains"
    )
    found = alignment.align(one_tongue, frame, max_length=512, progress=False)
    assert len(found) == 509  # 512 less the three special tokens
    assert found["first_word"].tolist() == found["second_word"].tolist() == list(range(len(found)))
    assert set(found["sentence"][-2:]) == {"hypothesis"}


def test_single_texts_are_aligned_too(topics):
    frame = pd.DataFrame(
        {"pair_id": ["1", "2"], "item": ["a", "a"], "language": ["en", "fr"], "text": ["the dog", "le chien"]}
    )
    found = alignment.align(topics, frame, progress=False)
    assert set(found["sentence"]) == {"text"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="item"), "`item`"),
        (
            lambda frame: pd.concat([frame, frame.assign(pair_id=frame["pair_id"] + "x")]),
            "more than once in 'en'",
        ),
        (lambda frame: frame.assign(item=[None, *frame["item"][1:]]), "no `item`"),
    ],
)
def test_rows_that_are_not_parallel_are_refused(nli, change, message):
    with pytest.raises(ValueError, match=message):
        alignment.align(nli, change(parallel()), progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 3}, "from 0 .* to 2.*got 3"),
        ({"layer": 1.5}, "got 1.5"),
        ({"matching": "best"}, "'best'"),
        ({"languages": [("en", "sw")]}, r"\('en', 'sw'\)"),
        ({"languages": ["en"]}, "'en'"),
        ({"languages": [("en", "en")]}, r"two different languages .*\('en', 'en'\)"),
    ],
)
def test_options_that_are_not_there_are_refused_by_name(nli, options, message):
    with pytest.raises(ValueError, match=message):
        alignment.align(nli, parallel(), progress=False, **options)


# --- quality ---------------------------------------------------------------------------------------------------------------------------


def spans_of(text, *words):
    return [[text.index(word), text.index(word) + len(word)] for word in words]


def with_rationales(frame):
    return frame.assign(
        premise_rationale=[spans_of(text, text.split()[-1]) for text in frame["premise"]],
        hypothesis_rationale=[spans_of(text, text.split()[-1]) for text in frame["hypothesis"]],
    )


def test_a_text_against_itself_has_perfect_quality_and_chance_is_the_rationales_share(one_tongue):
    frame = parallel(languages=("en", "de"), items=("a",))
    frame[["premise", "hypothesis"]] = TEXTS["en"]
    table = alignment.quality(one_tongue, with_rationales(frame), progress=False)
    ours = table[(table["first"] == "en") & (table["matching"] != "position")]
    assert (ours[["precision", "recall", "f1", "partners"]] == 1.0).all(axis=None)
    assert (ours["n"] == 2).all()
    # A shuffled premise joins its one rationale word with the other's once in four times, a hypothesis once in two: 0.75 of 2.
    assert ours["chance_recall"].to_numpy() == pytest.approx(0.375)
    assert ours["chance_precision"].to_numpy() == pytest.approx(0.375)


def test_figures_by_hand():
    links = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    one, other = np.array([1, 1, 0, 0], dtype=bool), np.array([1, 0, 0], dtype=bool)
    found = dict(zip(rationales.COUNTS, rationales.count_links(links, one, other), strict=True))
    # Links from the first's rationale: (0, 0) and (1, 1); into the second's: (0, 0) and (3, 0); one of them is in both.
    assert (found["links"], found["meeting"]) == (4, 2)
    assert (found["deciding"], found["met"]) == (3, 2)
    assert (found["words"], found["partnered"]) == (7, 5)


def test_chance_is_the_mean_over_all_shuffles_of_the_second_sentence():
    generator = np.random.default_rng(3)
    for _ in range(5):
        links = generator.random((4, 5)) < 0.35
        one, other = generator.random(4) < 0.5, generator.random(5) < 0.5
        one[0] = other[0] = True
        names = rationales.COUNTS
        every = [
            dict(zip(names, rationales.count_links(links[:, list(order)], one, other), strict=True))
            for order in itertools.permutations(range(5))
        ]
        mean = {name: np.mean([figures[name] for figures in every]) for name in names}
        found = dict(zip(names, rationales.count_links(links, one, other), strict=True))
        assert found["links_by_chance"] == pytest.approx(mean["links"])
        assert found["meeting_by_chance"] == pytest.approx(mean["meeting"])
        assert found["met_by_chance"] == pytest.approx(mean["met"])


def test_position_joins_words_at_the_same_relative_place():
    joined = match(rationales.nearness(3, 5), "argmax")
    assert np.argwhere(joined).tolist() == [[0, 0], [1, 2], [2, 4]]


def test_all_pairs_are_pooled_and_the_layer_of_position_is_missing(nli):
    table = alignment.quality(nli, with_rationales(parallel()), progress=False)
    pooled = table[table["first"] == "all"].set_index(["matching", "layer"])
    assert len(table) == 4 * (3 * 2 + 1)
    assert (pooled["n"] == 12).all()
    assert table["layer"].isna().eq(table["matching"] == "position").all()
    own = table[(table["matching"] == "argmax") & (table["layer"] == 1) & (table["first"] != "all")]
    assert pooled.loc[("argmax", 1), "partners"] == pytest.approx(
        np.average(own["partners"], weights=[26, 24, 24])
    )


def test_sentences_without_rationale_are_left_out(nli):
    frame = with_rationales(parallel(languages=("en", "de")))
    frame["premise_rationale"] = [[], *frame["premise_rationale"][1:]]
    frame["hypothesis_rationale"] = [*frame["hypothesis_rationale"][:3], None]
    assert (alignment.quality(nli, frame, layers=[1], progress=False)["n"] == 2).all()


@pytest.mark.parametrize("span", [[0, 99], [3, 3], [-1, 2], [0], [0, 1.5]])
def test_a_rationale_outside_its_text_is_refused_with_its_pair(nli, span):
    frame = with_rationales(parallel())
    frame["premise_rationale"] = [[span], *frame["premise_rationale"][1:]]
    with pytest.raises(ValueError, match=r"pair 'a-en'.*inside the text"):
        alignment.quality(nli, frame, progress=False)


def test_a_frame_without_rationales_is_refused(nli):
    with pytest.raises(ValueError, match="`premise_rationale`"):
        alignment.quality(nli, parallel(), progress=False)


def test_word_vectors_know_the_words_of_each_sentence():
    words = tuple(ExplainedWord(text, sentence, 0, 1) for text, sentence in (("a", 0), ("b", 1), ("c", 1)))
    assert WordVectors(words, np.zeros((1, 3, 2))).in_sentence(1).tolist() == [1, 2]


def test_a_word_that_only_touches_a_rationale_is_not_in_it():
    words = tuple(ExplainedWord(text, 0, place, place + 1) for place, text in enumerate("abc"))
    assert rationales.words_in_spans(words, [(1, 2)]).tolist() == [False, True, False]


# --- agreement -------------------------------------------------------------------------------------------------------------------------


def explained(pair_id, premise, hypothesis, scores, **changes):
    """An explanation whose words have one token each, and these scores."""
    words = tuple(
        ExplainedWord(text, sentence, 0, 1)
        for sentence, texts in enumerate((premise.split(), hypothesis.split()))
        for text in texts
    )
    values = {
        "pair_id": pair_id,
        "premise": premise,
        "hypothesis": hypothesis,
        "premise_language": "en",
        "hypothesis_language": "en",
        "prediction": "neutral",
        "probability": 0.5,
        "target": "neutral",
        "tokens": tuple(
            ExplainedToken(word.text, number, word.sentence, 0, 1) for number, word in enumerate(words)
        ),
        "words": words,
        "scores": np.array(scores, dtype=float),
        "method": "occlusion",
        "output": 1.0,
    }
    return Explanation(**(values | changes))


def links(first, second, joined, item="a", prompt=0, languages=("en", "de")):
    """An alignment as `align` gives it, from pairs of word numbers."""
    rows = [
        {
            "item": item,
            "prompt": prompt,
            "first": languages[0],
            "second": languages[1],
            "first_pair": first.pair_id,
            "second_pair": second.pair_id,
            "sentence": first.sides[first.words[i].sentence],
            "first_word": i,
            "second_word": j,
            "first_text": first.words[i].text,
            "second_text": second.words[j].text,
            "similarity": 0.9,
        }
        for i, j in joined
    ]
    return pd.DataFrame(rows)


ENGLISH = explained("a-en", "the dog sleeps", "it rains", [0.1, 2.0, -1.0, 0.3, 0.5])
GERMAN = explained("a-de", "hund schlaft gut", "es regnet", [3.0, -0.5, -0.6, 0.2, 0.4])
JOINED = [(1, 0), (2, 1), (2, 2), (3, 3), (4, 4)]


def test_aligned_scores_are_summed_and_words_without_partners_stand_beside_zero():
    found = alignment.agreement_by_item([ENGLISH, GERMAN], links(ENGLISH, GERMAN, JOINED), progress=False)
    expected = spearmanr([0.1, 2.0, -1.0, 0.3, 0.5], [0.0, 3.0, -1.1, 0.2, 0.4]).statistic
    assert found["rho"].item() == pytest.approx(expected)
    assert (found["words"].item(), found["aligned"].item()) == (5, pytest.approx(0.8))


def test_words_without_partners_can_be_left_out():
    found = alignment.agreement_by_item(
        [ENGLISH, GERMAN], links(ENGLISH, GERMAN, JOINED[:3]), unaligned="drop", progress=False
    )
    assert found["words"].item() == 2
    assert np.isnan(found["rho"].item())  # two points always correlate
    found = alignment.agreement_by_item(
        [ENGLISH, GERMAN], links(ENGLISH, GERMAN, JOINED[:4]), unaligned="drop", progress=False
    )
    assert found["rho"].item() == pytest.approx(spearmanr([2.0, -1.0, 0.3], [3.0, -1.1, 0.2]).statistic)


def test_identical_scores_agree_perfectly_and_the_control_is_the_mean_over_shuffles():
    text = "a b c d e f"
    first, second = (explained(id, text, "g", [1, 2, 3, 4, 5, 6, 0]) for id in ("a-en", "a-de"))
    joined = links(first, second, [(number, number) for number in range(7)])
    found = alignment.agreement_by_item([first, second], joined, n_shuffles=4000, progress=False)
    assert found["rho"].item() == pytest.approx(1.0)
    # The hypothesis keeps its lowest rank in every shuffle; ranks of the premise average out: cov = 9, variance = 28 (times 7).
    assert found["shuffled"].item() == pytest.approx(10.5 / 28, abs=0.02)


def test_what_only_tells_premise_from_hypothesis_is_in_the_control_and_makes_no_difference():
    first, second = (explained(id, "a b c", "d e f", [1, 1, 1, 4, 4, 4]) for id in ("a-en", "a-de"))
    joined = links(first, second, [(number, number) for number in range(6)])
    table = alignment.agreement(
        alignment.agreement_by_item([first, second], joined, progress=False), n_resamples=10
    )
    assert table["rho"].tolist() == pytest.approx([1.0, 1.0])
    assert table["difference"].tolist() == pytest.approx([0.0, 0.0])


def test_the_table_is_the_mean_over_items_and_all_pairs_weigh_by_items():
    rows = pd.DataFrame(
        [
            ("a", 0, "m", "sum", "en", "de", "", "", True, 5, 1.0, 0.8, 0.2),
            ("b", 1, "m", "sum", "en", "de", "", "", False, 5, 0.5, 0.4, 0.0),
            ("b", 1, "m", "sum", "en", "fr", "", "", True, 5, 0.6, np.nan, 0.9),
            ("a", 0, "m", "sum", "en", "fr", "", "", True, 5, 0.4, -0.3, 0.1),
        ],
        columns=[
            "item", "prompt", "method", "aggregation", "first", "second", "first_pair", "second_pair", "same_target", "words", "aligned", "rho", "shuffled",
        ],
    )  # fmt: skip
    table = alignment.agreement(rows).set_index("second")
    assert table["rho"].to_dict() == pytest.approx({"de": 0.6, "fr": -0.3, "all": 0.3})
    assert table["difference"].to_dict() == pytest.approx({"de": 0.5, "fr": -0.4, "all": 0.2})
    assert table["n"].to_dict() == {"de": 2, "fr": 1, "all": 3}
    assert table["undefined"].to_dict() == {"de": 0, "fr": 1, "all": 1}
    assert table.loc["de", "same_target"] == 0.5
    assert table.loc["de", ["low", "high"]].tolist() == pytest.approx([0.4, 0.6])


def test_items_of_one_prompt_are_resampled_together():
    names = ["item", "prompt", "method", "aggregation", "first", "second", "same_target", "aligned", "rho"]
    rows = pd.DataFrame(
        [(item, 0, "m", "sum", "en", "de", True, 1.0, rho) for item, rho in (("a", 1.0), ("b", 0.0))],
        columns=names,
    ).assign(shuffled=0.0)
    table = alignment.agreement(rows)
    assert table[["difference", "low", "high"]].to_numpy().tolist() == [[0.5] * 3] * 2
    apart = alignment.agreement(rows.assign(prompt=[0, 1]))
    assert apart[["low", "high"]].to_numpy().tolist() == [[0.0, 1.0]] * 2


def test_pairs_of_languages_without_any_rho_have_no_interval():
    flat = explained("a-de", "hund schlaft gut", "es regnet", [0, 0, 0, 0, 0])
    by_item = alignment.agreement_by_item([ENGLISH, flat], links(ENGLISH, flat, JOINED), progress=False)
    table = alignment.agreement(by_item)
    assert table["n"].tolist() == [0, 0]
    assert table[["rho", "low", "high"]].isna().all(axis=None)


def test_different_targets_are_told():
    other = dataclasses.replace(GERMAN, target="entailment")
    found = alignment.agreement_by_item([ENGLISH, other], links(ENGLISH, other, JOINED), progress=False)
    assert not found["same_target"].item()


def test_items_that_were_explained_in_one_language_only_are_left_out():
    found = alignment.agreement_by_item([ENGLISH], links(ENGLISH, GERMAN, JOINED), progress=False)
    assert found.empty
    with pytest.raises(ValueError, match="two languages"):
        alignment.agreement(found)


def test_an_item_alone_gives_what_it_gives_among_others():
    second = [dataclasses.replace(one, pair_id=one.pair_id.replace("a", "b")) for one in (ENGLISH, GERMAN)]
    joined = pd.concat([links(ENGLISH, GERMAN, JOINED), links(*second, JOINED, item="b", prompt=1)])
    both = alignment.agreement_by_item([ENGLISH, GERMAN, *second], joined, progress=False)
    alone = alignment.agreement_by_item(second, joined, progress=False)
    pd.testing.assert_frame_equal(both[both["item"] == "b"].reset_index(drop=True), alone)
    assert both["shuffled"].nunique() == 2


def test_agreement_does_not_change_with_the_order_of_explanations_and_follows_its_seed():
    joined = links(ENGLISH, GERMAN, JOINED)
    one, other, third = (
        alignment.agreement_by_item(given, joined, seed=seed, progress=False)
        for given, seed in (([ENGLISH, GERMAN], 1), ([GERMAN, ENGLISH], 1), ([ENGLISH, GERMAN], 2))
    )
    pd.testing.assert_frame_equal(one, other)
    assert one["shuffled"].item() != third["shuffled"].item()


def test_an_alignment_of_other_words_is_refused():
    joined = links(ENGLISH, GERMAN, JOINED).assign(second_text="katze")
    with pytest.raises(ValueError, match=r"'a-de'.*max_length"):
        alignment.agreement_by_item([ENGLISH, GERMAN], joined, progress=False)
    joined = links(ENGLISH, GERMAN, JOINED).assign(first_word=9)
    with pytest.raises(ValueError, match="'a-en'"):
        alignment.project_scores([ENGLISH, GERMAN], joined)


def test_an_explanation_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="two of 'a-en'"):
        alignment.agreement_by_item([ENGLISH, ENGLISH], links(ENGLISH, GERMAN, JOINED), progress=False)
    with pytest.raises(TypeError, match="got str"):
        alignment.project_scores(["a-en"], links(ENGLISH, GERMAN, JOINED))
    with pytest.raises(ValueError, match="got none"):
        alignment.project_scores([], links(ENGLISH, GERMAN, JOINED))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"unaligned": "keep"}, "'keep'"), ({"n_shuffles": 0}, "got 0"), ({"seed": -1}, "got -1")],
)
def test_options_of_agreement_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        alignment.agreement_by_item(
            [ENGLISH, GERMAN], links(ENGLISH, GERMAN, JOINED), progress=False, **options
        )


def test_scores_are_carried_to_the_words_of_the_reference_whichever_side_it_was_aligned_from():
    forth = links(ENGLISH, GERMAN, JOINED)
    back = links(GERMAN, ENGLISH, [(j, i) for i, j in JOINED], languages=("de", "en"))
    found = alignment.project_scores([ENGLISH, GERMAN], forth)
    german = found[found["language"] == "de"]
    assert found["language"].tolist() == ["en"] * 5 + ["de"] * 5
    assert german["word_text"].tolist() == ["the", "dog", "sleeps", "it", "rains"]
    assert german["score"].tolist() == pytest.approx([np.nan, 3.0, -1.1, 0.2, 0.4], nan_ok=True)
    assert german["partners"].tolist() == [[], ["hund"], ["schlaft", "gut"], ["es"], ["regnet"]]
    assert found["score"][:5].tolist() == pytest.approx([0.1, 2.0, -1.0, 0.3, 0.5])
    again = alignment.project_scores([ENGLISH, GERMAN], back)
    pd.testing.assert_frame_equal(found, again)
    with pytest.raises(ValueError, match="'fr'"):
        alignment.project_scores([ENGLISH, GERMAN], forth, reference="fr")


def test_english_originals_stand_beside_what_is_carried_to_another_language():
    pairs = pd.DataFrame(
        {"pair_id": ["a-en", "a-de"], "english_premise": "the dog sleeps", "english_hypothesis": "it rains"}
    )
    found = alignment.project_scores(
        [ENGLISH, GERMAN], links(ENGLISH, GERMAN, JOINED), reference="de", pairs=pairs
    )
    assert found["word_text"][:3].tolist() == ["hund", "schlaft", "gut"]
    assert found["english_premise"].unique().tolist() == ["the dog sleeps"]
    with pytest.raises(ValueError, match="English originals"):
        alignment.project_scores([ENGLISH, GERMAN], links(ENGLISH, GERMAN, JOINED), pairs=pairs[["pair_id"]])
