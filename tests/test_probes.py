"""Laws of the probes of language ids: swaps, mixed languages, geometry, the way between two ids; against transformers, counts by hand and scipy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.cluster.hierarchy import dendrogram as draw
from scipy.spatial.distance import cosine as cosine_distance
from scipy.stats import binomtest

from xlmkit import probes
from xlmkit.encoding import encode
from xlmkit.inference import logits, predict
from xlmkit.languages import LANGUAGES
from xlmkit.probes import language_ids as ids

ITEMS = {
    "en": [
        ("The dog sleeps.", "No dog sleeps."),
        ("A man eats.", "The man is not in the book."),
        ("It rains today.", "The cat eats."),
    ],
    "de": [
        ("Der Hund schläft.", "Kein Hund schläft."),
        ("Ein Mann isst.", "Der Mann ist nicht da."),
        ("Es regnet heute.", "Die Katze isst."),
    ],
    "hi": [
        ("कुत्ता सो रहा है।", "एक आदमी नहीं सो रहा है।"),
        ("आदमी आज नहीं।", "वह आज है।"),
        ("आज बारिश है।", "एक बिल्ली।"),
    ],
}
GOLD = ["contradiction", "neutral", "entailment"]


@pytest.fixture
def pairs() -> pd.DataFrame:
    """Three items in three languages."""
    return pd.DataFrame(
        [
            {
                "item": f"i{number}",
                "language": code,
                "premise": premise,
                "hypothesis": hypothesis,
                "gold": GOLD[number],
            }
            for code, sides in ITEMS.items()
            for number, (premise, hypothesis) in enumerate(sides)
        ]
    )


@pytest.fixture(scope="module")
def without_ids(nli):
    """A model whose network adds no language embeddings."""
    import copy

    network = copy.copy(nli.network)
    network.config = copy.deepcopy(network.config)
    network.config.use_lang_emb = False
    return dataclasses.replace(nli, network=network)


def by_hand(nli, code, id):
    """(3, labels) logits of transformers' own network; `id` None leaves `langs` out."""
    premises, hypotheses = zip(*ITEMS[code], strict=True)
    encoding = encode(nli, premises, hypotheses, code)
    langs = None if id is None else torch.full_like(encoding.langs, nli.lang2id[id])
    with torch.no_grad():
        return nli.network(
            input_ids=encoding.input_ids, langs=langs, attention_mask=encoding.attention_mask
        ).logits.numpy()


# --- further ids --------------------------------------------------------------------------------------------------------------------------


def test_a_model_with_further_ids_answers_as_before_and_leaves_the_first_as_it_was(nli):
    before = nli.network.state_dict()["transformer.lang_embeddings.weight"].clone()
    wide = ids.add_language_ids(nli, torch.ones(2, 64))
    encoding = encode(nli, "The dog sleeps.", "No dog.", "de")
    assert np.array_equal(logits(wide, encoding), logits(nli, encoding))
    assert not np.allclose(logits(wide, ids.set_language_id(encoding, 15)), logits(nli, encoding), atol=1e-3)
    assert torch.equal(nli.network.transformer.lang_embeddings.weight, before)
    assert (nli.network.config.n_langs, wide.network.config.n_langs) == (15, 17)
    assert wide.network.transformer.embeddings is nli.network.transformer.embeddings


def test_further_ids_reach_the_network_of_a_lower_precision(nli):
    half = dataclasses.replace(nli, dtype=torch.bfloat16)
    encoding = encode(nli, "The dog sleeps.", "No dog.", "de")
    wide, exact = (ids.add_language_ids(model, torch.zeros(1, 64)) for model in (half, nli))
    none = ids.set_language_id(encoding, 15)
    assert wide.prediction_network.transformer.lang_embeddings.weight.dtype == torch.bfloat16
    assert np.allclose(logits(wide, none), logits(exact, none), atol=0.1)
    assert not np.array_equal(logits(wide, none), logits(exact, none))


@pytest.mark.parametrize("id", ["sw", "none"])
def test_a_model_under_one_id_predicts_as_transformers_with_that_id(nli, pairs, id):
    found = predict(probes.with_language_id(nli, id), pairs, progress=False)
    for code in ITEMS:
        values = by_hand(nli, code, None if id == "none" else id)
        labels = [nli.labels[number] for number in values.argmax(1)]
        assert found.loc[found["language"] == code, "prediction"].tolist() == labels
        chances = torch.from_numpy(values).softmax(1).numpy()
        columns = [f"p_{label}" for label in nli.labels]
        assert np.allclose(found.loc[found["language"] == code, columns], chances, atol=1e-5)
    assert found.attrs["provenance"]["model"]["language_id"] == id
    with pytest.raises(ValueError, match="'xx'"):
        probes.with_language_id(nli, "xx")


# --- swap ---------------------------------------------------------------------------------------------------------------------------------


def test_each_cell_of_the_swap_is_what_transformers_answers_under_that_id(nli, pairs):
    given = ("en", "de", "sw", "none")
    found = probes.language_id_matrix(nli, pairs, ids=given, progress=False)
    found = found.set_index(["text_language", "id"])
    gold = [nli.labels.index(label) for label in GOLD]
    for code in ITEMS:
        right = by_hand(nli, code, code)
        for id in given:
            values = by_hand(nli, code, None if id == "none" else id)
            row = found.loc[(code, id)]
            assert row["accuracy"] == pytest.approx((values.argmax(1) == gold).mean())
            assert row["flips"] == pytest.approx((values.argmax(1) != right.argmax(1)).mean())
            assert row["margin"] == pytest.approx(
                np.mean(margin(values, gold) - margin(right, gold)), abs=1e-4
            )
            own = right.argmax(1)
            change = margin(values, own) - margin(right, own)
            assert row["margin_predicted"] == pytest.approx(change.mean(), abs=1e-4)
    assert found["flips"].max() > 0


def margin(values, labels):
    """Worked out pair by pair."""
    return np.array(
        [row[label] - max(np.delete(row, label)) for row, label in zip(values, labels, strict=True)]
    )


def test_under_its_own_id_nothing_of_a_text_changes(nli, pairs):
    found = probes.language_id_matrix(nli, pairs, progress=False)
    assert len(found) == 3 * 16
    found = found.query("text_language == id")
    assert (found[["flips", "difference", "margin", "margin_predicted"]] == 0).all(axis=None)
    accuracy = predict(nli, pairs, progress=False).groupby("language")["correct"].mean()
    assert found.set_index("text_language")["accuracy"].to_dict() == pytest.approx(accuracy.to_dict())


def test_mixed_pairs_are_a_group_of_their_own_and_both_sides_get_the_id(nli):
    frame = pd.DataFrame(
        {
            "premise": ["The dog sleeps."],
            "hypothesis": ["Der Hund schläft."],
            "premise_language": ["en"],
            "hypothesis_language": ["de"],
        }
    )
    found = probes.language_id_matrix(nli, frame, ids=["sw"], progress=False)
    assert found["text_language"].tolist() == ["en>de"]
    encoding = encode(nli, "The dog sleeps.", "Der Hund schläft.", "en", hypothesis_languages="de")
    right = logits(nli, encoding)
    given = logits(nli, dataclasses.replace(encoding, langs=torch.full_like(encoding.langs, 9)))
    own = right.argmax(1)
    expected = (margin(given, own) - margin(right, own))[0]
    assert found["margin_predicted"][0] == pytest.approx(expected, abs=1e-5)


def test_without_gold_labels_still_flip_and_accuracies_are_missing(nli, pairs):
    known = probes.language_id_matrix(nli, pairs, ids=["sw", "none"], progress=False)
    found = probes.language_id_matrix(nli, pairs.drop(columns="gold"), ids=["sw", "none"], progress=False)
    missing = ["accuracy", "low", "high", "difference", "difference_low", "difference_high", "margin"]
    assert found[missing].isna().all(axis=None)
    assert (found["without_gold"] == found["n"]).all()
    for column in ("flips", "margin_predicted"):
        assert found[column].tolist() == pytest.approx(known[column].tolist())


def test_rows_without_gold_count_for_flips_alone(nli, pairs):
    pairs.loc[pairs["item"] == "i1", "gold"] = None
    found = probes.language_id_matrix(nli, pairs, ids=["none"], progress=False)
    some = probes.language_id_matrix(nli, pairs[pairs["item"] != "i1"], ids=["none"], progress=False)
    assert found["without_gold"].tolist() == [1, 1, 1]
    assert found["accuracy"].tolist() == some["accuracy"].tolist()


@pytest.mark.parametrize("given", [["xx"], [], ["en", "klingon"]])
def test_an_unknown_id_is_refused(nli, pairs, given):
    with pytest.raises(ValueError, match="must be"):
        probes.language_id_matrix(nli, pairs, ids=given, progress=False)


def test_a_model_without_language_ids_is_refused_by_every_probe_of_them(without_ids, pairs):
    asked = [
        lambda: probes.language_id_matrix(without_ids, pairs, progress=False),
        lambda: probes.ablation(without_ids, pairs, progress=False),
        lambda: probes.language_cosines(without_ids),
        lambda: probes.language_map(without_ids),
        lambda: probes.interpolate(without_ids, pairs, "de", progress=False),
        lambda: probes.retrieval(without_ids, pairs, progress=False),
        lambda: probes.fill_mask(without_ids, "A <mask>.", "en"),
    ]
    for ask in asked:
        with pytest.raises(ValueError, match="no language embeddings"):
            ask()
    with pytest.raises(TypeError, match="expected a model"):
        probes.language_id_matrix(pairs, pairs)


# --- grid ---------------------------------------------------------------------------------------------------------------------------------


def test_every_premise_meets_the_hypothesis_of_its_item_in_every_language(pairs):
    found = probes.mixed_pairs(pairs)
    assert len(found) == 3 * 3 * 3
    assert not found.duplicated(["item", "premise_language", "hypothesis_language"]).any()
    for row in found.itertuples():
        number = int(row.item[1])
        assert row.premise == ITEMS[row.premise_language][number][0]
        assert row.hypothesis == ITEMS[row.hypothesis_language][number][1]
        assert (row.english_premise, row.english_hypothesis) == ITEMS["en"][number]
        assert row.gold == GOLD[number]


def test_a_cell_of_the_grid_is_the_accuracy_with_each_sides_right_id(nli, pairs):
    found = probes.mixed_language_grid(nli, pairs, progress=False).set_index(
        ["premise_language", "hypothesis_language"]
    )
    assert len(found) == 9
    gold = [nli.labels.index(label) for label in GOLD]
    usual = {}
    for first in ITEMS:
        encoding = encode(nli, *zip(*ITEMS[first], strict=True), first)
        usual[first] = logits(nli, encoding).argmax(1)
    for first in ITEMS:
        for second in ITEMS:
            premises = [premise for premise, _ in ITEMS[first]]
            hypotheses = [hypothesis for _, hypothesis in ITEMS[second]]
            labels = logits(
                nli, encode(nli, premises, hypotheses, first, hypothesis_languages=second)
            ).argmax(1)
            row = found.loc[(first, second)]
            assert row["accuracy"] == pytest.approx((labels == gold).mean())
            assert row["flips"] == pytest.approx((labels != usual[first]).mean())
            assert row["difference"] == pytest.approx((labels == gold).mean() - (usual[first] == gold).mean())


def cells(accuracy):
    """Predictions on forty items in two languages, of which so many are right."""
    rows = [
        {
            "item": str(number),
            "premise_language": first,
            "hypothesis_language": second,
            "gold": "neutral",
            "prediction": "neutral" if number < right else "entailment",
        }
        for (first, second), right in accuracy.items()
        for number in range(40)
    ]
    return pd.DataFrame(rows)


def test_within_and_across_are_the_means_of_the_diagonal_and_of_the_rest():
    preds = cells({("de", "de"): 32, ("en", "en"): 36, ("de", "en"): 20, ("en", "de"): 24})
    columns = ["same_language", "mixed_languages", "difference"]
    for given in (preds, probes.mixed_language_table(preds)):
        found = probes.mixed_language_gap(given)
        assert found[columns].to_numpy().tolist() == [pytest.approx([0.85, 0.55, -0.3])]
    assert np.isnan(found["low"].item())


def test_the_interval_of_the_difference_is_over_items():
    preds = cells({("de", "de"): 32, ("en", "en"): 32, ("de", "en"): 16, ("en", "de"): 16})
    own = probes.mixed_language_gap(preds).iloc[0]
    chance = np.random.default_rng(
        7
    )  # by hand: an item's own difference is -1 for 16 of the 40 items, else 0
    drawn = np.percentile(chance.binomial(40, 0.4, 200_000) / -40, [2.5, 97.5])
    assert own[["low", "high"]].tolist() == pytest.approx(drawn.tolist(), abs=1e-9)
    cell = (
        probes.mixed_language_table(preds)
        .set_index(["premise_language", "hypothesis_language"])
        .loc[("de", "en")]
    )
    assert cell[["difference_low", "difference_high"]].tolist() == pytest.approx(drawn.tolist(), abs=1e-9)


def test_few_items_have_no_interval_and_items_that_never_change_a_cautious_one():
    same = cells({("de", "de"): 32, ("en", "en"): 32, ("de", "en"): 32, ("en", "de"): 32})
    found = probes.mixed_language_table(same).set_index(["premise_language", "hypothesis_language"])
    columns = ["difference", "difference_low", "difference_high"]
    bound = binomtest(0, 40).proportion_ci(method="wilson").high
    assert found.loc[("de", "en"), columns].tolist() == pytest.approx([0, -bound, bound])
    assert found.loc[("de", "de"), columns].tolist() == [0, 0, 0]
    less = cells({("de", "de"): 32, ("en", "en"): 32, ("de", "en"): 16, ("en", "de"): 16})
    less = less[less["item"].astype(int) % 2 == 0]
    assert probes.mixed_language_gap(less)[["low", "high"]].isna().all(axis=None)
    few = probes.mixed_language_table(less).set_index(["premise_language", "hypothesis_language"])
    assert few.loc[("de", "en"), columns[1:]].isna().all()


def test_a_grid_without_mixed_pairs_has_no_across():
    with pytest.raises(ValueError, match="mixed pairs"):
        probes.mixed_language_gap(cells({("de", "de"): 8, ("en", "en"): 9}))


def test_items_that_are_not_parallel_are_refused_and_the_first_missing_one_is_named(nli, pairs):
    lacking = pairs.drop(pairs.index[[4, 8]])  # i1 in German, i2 in Hindi
    for ask in (
        lambda: probes.mixed_language_grid(nli, lacking, progress=False),
        lambda: probes.retrieval(nli, lacking, progress=False),
    ):
        with pytest.raises(ValueError, match=r"item 'i1' is missing in 'de' \(the first of 2\)"):
            ask()


def test_other_faults_of_parallel_items_are_named(pairs):
    with pytest.raises(ValueError, match="at least 2"):
        probes.mixed_pairs(pairs[pairs["language"] == "en"])
    with pytest.raises(ValueError, match="column `item`"):
        probes.mixed_pairs(pairs.drop(columns="item"))
    again = pd.concat([pairs, pairs.iloc[[0]]], ignore_index=True)
    again["pair_id"] = range(10)
    with pytest.raises(ValueError, match="'i0' more than once in 'en'"):
        probes.mixed_pairs(again)
    pairs.loc[3, "gold"] = "entailment"
    with pytest.raises(ValueError, match="item 'i0' has different ones"):
        probes.mixed_pairs(pairs)


def test_a_grid_without_gold_still_has_flips(nli, pairs):
    found = probes.mixed_language_grid(nli, pairs.drop(columns="gold"), progress=False)
    assert found["accuracy"].isna().all()
    known = probes.mixed_language_grid(nli, pairs, progress=False)
    assert found["flips"].tolist() == known["flips"].tolist()


# --- geometry -----------------------------------------------------------------------------------------------------------------------------


def test_cosines_are_those_of_the_embeddings(nli):
    table = nli.network.transformer.lang_embeddings.weight.double().numpy()
    found, centred = probes.language_cosines(nli), probes.language_cosines(nli, centred=True)
    assert found.index.tolist() == found.columns.tolist() == list(LANGUAGES)
    for one, other in (("en", "de"), ("zh", "ar"), ("sw", "sw")):
        rows = table[LANGUAGES[one].id], table[LANGUAGES[other].id]
        assert found.loc[one, other] == pytest.approx(1 - cosine_distance(*rows))
        moved = [row - table.mean(0) for row in rows]
        assert centred.loc[one, other] == pytest.approx(1 - cosine_distance(*moved))


def test_languages_come_by_their_id_and_not_by_their_place(nli):
    backwards = {code: 14 - number for code, number in nli.lang2id.items()}
    turned = dataclasses.replace(nli, lang2id=backwards)
    assert probes.language_cosines(turned).loc["ar", "bg"] == pytest.approx(
        probes.language_cosines(nli).loc["zh", "vi"]
    )


def placed(nli, places):
    """The tiny model with language embeddings in one plane, at these angles in degrees."""
    table = torch.zeros(15, 64)
    for code, language in LANGUAGES.items():
        angle = torch.deg2rad(torch.tensor(float(places[code])))
        table[language.id, :2] = torch.stack([angle.cos(), angle.sin()])
    empty = ids.add_language_ids(nli, torch.zeros(0, 64))
    empty.network.transformer.lang_embeddings = torch.nn.Embedding.from_pretrained(table)
    return empty


def test_nearest_joined_first_and_mapped_where_they_lie(nli):
    places = {code: 24 * number for number, code in enumerate(LANGUAGES)} | {"de": 97, "en": 96}
    model = placed(nli, places)
    near = probes.nearest_languages(model, n_neighbors=1, centred=False).set_index("language")
    assert near.loc["en", "nearest"] == "de"
    assert near.loc["en", "cosine"] == pytest.approx(np.cos(np.deg2rad(1)))
    assert near.loc["en", ["same_script", "same_family", "same_branch"]].all()
    joins = probes.dendrogram(model, centred=False)
    languages = joins.attrs["languages"]
    assert {languages[int(joins["first"][0])], languages[int(joins["second"][0])]} == {"de", "en"}
    assert joins["size"].iloc[-1] == 15
    assert sorted(draw(joins.to_numpy(), labels=languages, no_plot=True)["ivl"]) == sorted(languages)
    shown = probes.language_map(model)
    assert sum(shown.attrs["explained"]) == pytest.approx(1)
    points = shown.set_index("language")[["x", "y"]]
    assert np.linalg.norm(points.loc["en"] - points.loc["zh"]) == pytest.approx(
        2 * np.sin(np.deg2rad((336 - 96) / 2)), abs=1e-6
    )


def test_a_grouping_shows_where_it_is_there_and_chance_does_not(nli):
    scripts = sorted({language.script for language in LANGUAGES.values()})
    by_script = {
        code: 40 * scripts.index(language.script) + language.id for code, language in LANGUAGES.items()
    }
    found = probes.grouping_test(placed(nli, by_script), n_permutations=500, centred=False).set_index(
        "grouping"
    )
    assert found.loc["script", "p"] == pytest.approx(1 / 501)
    assert found.loc["script", "pairs"] == 21 + 1 + 1  # seven in Latin, two in Arabic, two in Cyrillic
    assert found.loc["family", "pairs"] == 36  # nine are Indo-European
    assert found.loc["branch", "pairs"] == 4  # Slavic, Germanic, Romance, Indo-Aryan
    assert found.loc["script", "within"] > 0.9 > found.loc["script", "between"]
    ps = [
        probes.grouping_test(placed(nli, dict(zip(LANGUAGES, drawn, strict=True))), n_permutations=200).loc[
            0, "p"
        ]
        for drawn in np.random.default_rng(3).uniform(0, 360, (40, 15))
    ]
    assert np.mean(np.array(ps) <= 0.1) <= 0.25


def test_every_language_has_a_family_and_a_branch():
    assert set(probes.FAMILIES) == set(LANGUAGES)


# --- interpolation ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["sw", "none"])
def test_the_way_begins_at_the_right_id_and_ends_at_the_other(nli, pairs, to):
    found = probes.interpolate(nli, pairs, to, n_steps=4, progress=False)
    assert len(found) == len(pairs) * 5
    assert found["fraction"].tolist()[:5] == [0, 0.25, 0.5, 0.75, 1]
    columns = [f"logit_{label}" for label in nli.labels]
    for code in ITEMS:
        rows = found[found["language"] == code]
        ends = [by_hand(nli, code, code), by_hand(nli, code, None if to == "none" else to)]
        for share, expected in zip((0, 1), ends, strict=True):
            assert np.allclose(rows.loc[rows["fraction"] == share, columns], expected, atol=1e-5)
    assert np.allclose(found[[f"p_{label}" for label in nli.labels]].sum(axis=1), 1)


def test_movement_is_the_largest_change_of_a_logit_and_the_labels_that_went_along(nli):
    rows = [
        ("a", 0.0, "neutral", 1.0, 0.0),
        ("a", 1.0, "entailment", 0.5, 2.0),
        ("b", 0.0, "neutral", 1.0, 0.0),
        ("b", 1.0, "neutral", 2.0, 0.5),
    ]
    columns = ["pair_id", "fraction", "prediction", "logit_neutral", "logit_entailment"]
    path = pd.DataFrame(rows, columns=columns).assign(language="en", to="sw")
    found = probes.logit_shift(path)
    assert found["change"].tolist() == [0, 1.5]  # the means of 2 and 1
    assert found["flips"].tolist() == [0, 0.5]
    assert found["n"].tolist() == [2, 2]
    with pytest.raises(ValueError, match="pair_id"):
        probes.logit_shift(path.drop(columns="pair_id"))


def test_half_way_is_the_mean_of_the_two_embeddings(nli, pairs):
    own = nli.network.transformer.lang_embeddings.weight
    middle = ids.add_language_ids(nli, own[[4, 9]].mean(0, keepdim=True))
    expected = logits(middle, ids.set_language_id(encode(nli, *ITEMS["en"][0], "en"), 15))
    found = probes.interpolate(nli, pairs[pairs["language"] == "en"], "sw", n_steps=2, progress=False)
    assert np.allclose(
        found.loc[1, [f"logit_{label}" for label in nli.labels]].astype(float), expected, atol=1e-5
    )


def test_a_way_to_nowhere_or_without_steps_is_refused(nli, pairs):
    for options in ({"to": "xx"}, {"to": "de", "n_steps": 0}, {"to": "de", "n_steps": 1.5}):
        with pytest.raises(ValueError, match="must be"):
            probes.interpolate(nli, pairs, **options, progress=False)
