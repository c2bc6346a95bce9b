"""The workshop's pairs hold to their own laws, in every language, and each check finds what it is for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from check import (
    check_cues,
    check_files,
    check_labels,
    check_parallel,
    check_repeats,
    cue_words,
    hypothesis_only,
    main,
    scenes,
)
from items import Item, language_of, read_items
from texts import (
    ALPHABETS,
    STYLES,
    check_letters,
    check_spans,
    check_typography,
    foreign_letters,
    is_boundary,
    script_share,
    words,
)

import xlmkit
from xlmkit import read_pairs
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS, PHENOMENA

FOLDER = Path(__file__).resolve().parent.parent / "data" / "workshop"


def file_of(code: str) -> Path:
    return FOLDER / f"{code}.jsonl"


@pytest.fixture(scope="module")
def english() -> list[Item]:
    items, faults = read_items(FOLDER / "en.jsonl")
    assert not faults
    return items


# --- the set


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_passes_every_check(code):
    assert [str(finding) for finding in check_files([file_of(code)])] == []


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_language_has_the_items_and_labels_of_english(code, english):
    items, _ = read_items(file_of(code))
    assert [item.id for item in items] == [item.id for item in english]
    assert [str(finding) for finding in check_parallel([english, items])] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_ten_items_of_each_phenomenon_and_forty_of_each_label(code):
    items, _ = read_items(file_of(code))
    assert Counter(item.phenomenon for item in items) == dict.fromkeys(PHENOMENA, 10)
    assert Counter(item.label for item in items) == dict.fromkeys(LABELS, 40)
    for phenomenon in PHENOMENA:
        assert sorted(Counter(i.label for i in items if i.phenomenon == phenomenon).values()) == [3, 3, 4]


def test_teachers_notes_are_one_line(english):
    for item in english:
        assert item.note is not None
        assert "\n" not in item.note
        assert 20 <= len(item.note) <= 200, (item.id, len(item.note))


def test_the_english_texts_are_short(english):
    for item in english:
        assert 6 <= len(item.premise.split()) <= 18, item.id
        assert 4 <= len(item.hypothesis.split()) <= 12, item.id


def test_hypotheses_of_every_label_are_of_one_length(english):
    mean = {
        label: sum(len(i.hypothesis.split()) for i in english if i.label == label) / 40 for label in LABELS
    }
    assert max(mean.values()) - min(mean.values()) < 0.5


def test_hypotheses_alone_tell_the_labels_no_better_and_no_worse_than_chance(english):
    assert abs(hypothesis_only(english) - 1 / 3) <= 0.08
    assert hypothesis_only(english, by_scene=False) <= 1 / 3 + 0.08


def test_no_word_of_hypotheses_predicts_a_label(english):
    assert min(cue.p for cue in cue_words(english)) > 0.05


def test_negation_stands_with_every_label_about_equally(english):
    found = Counter(
        item.label
        for item in english
        if {"not", "no", "without", "nothing"} & set(words(item.hypothesis, "en"))
    )
    assert max(found[label] for label in LABELS) - min(found[label] for label in LABELS) <= 2


def test_the_readme_gives_size_and_sum_of_every_file():
    table = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    for file in sorted(FOLDER.glob("*.jsonl")):
        data = file.read_bytes()
        row = f"| `workshop/{file.name}` | {len(data)} | `{hashlib.sha256(data).hexdigest()}` |"
        assert row in table, f"data/README.md should have the line {row}"


def test_the_readme_says_licence_weak_spots_and_what_each_reading_of_each_language_changed():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "CC0 1.0" in text
    assert "## Weak spots" in text
    table = text.split("## Changes by language and pass")[1].split("## ")[0]
    rows = {
        line.split("|")[1].strip(): line for line in table.splitlines() if re.match(r"\| [a-z]{2} \|", line)
    }
    assert set(rows) == set(LANGUAGES)
    third = {code for code, row in rows.items() if row.split("|")[4].strip() != "-"}
    assert third == {"el", "hi", "sw", "th", "ur"}


@pytest.mark.parametrize("split", ["dev", "test.a"])
def test_no_text_of_the_set_stands_in_xnli(shared, split):
    xnli = read_pairs(shared / "data" / "xnli" / f"xnli.{split}.tsv")
    known = {" ".join(text.casefold().split()) for text in pd.concat([xnli["premise"], xnli["hypothesis"]])}
    own = read_pairs("workshop")
    for text in pd.concat([own["premise"], own["hypothesis"]]):
        assert " ".join(text.casefold().split()) not in known


# --- read_pairs


def test_the_workshop_is_read_with_rationales_english_texts_and_notes():
    frame = read_pairs("workshop")
    assert frame.attrs == {"source": "workshop"}
    assert len(frame) == 120 * len(LANGUAGES)
    assert (frame["pair_id"] == frame["item"] + "-" + frame["language"]).all()
    assert frame["pair_id"].is_unique
    english = frame[frame["language"] == "en"]
    assert (english["premise"] == english["english_premise"]).all()
    assert (english["hypothesis"] == english["english_hypothesis"]).all()
    assert frame["note"].str.len().gt(0).all()
    first = english.iloc[0]
    start, end = first["hypothesis_rationale"][0]
    assert first["pair_id"] == "negation-01-en"
    assert first["hypothesis"][start:end] == "without eggs"


def test_items_are_the_same_in_all_languages():
    frame = read_pairs("workshop")
    columns = ["gold", "phenomenon", "english_premise", "english_hypothesis", "note"]
    assert (frame.groupby("item")[columns].nunique() == 1).all(axis=None)


def test_pairs_are_filtered_by_language_and_phenomenon():
    frame = read_pairs("workshop", languages="en", phenomena=["time", "negation"])
    assert set(frame["phenomenon"]) == {"time", "negation"}
    assert len(frame) == 20
    assert len(read_pairs("workshop", languages="en", phenomena="place")) == 10
    assert len(read_pairs("workshop", languages="en", phenomena="place", limit=3)) == 3


def test_items_are_kept_in_all_languages_and_in_the_order_of_the_set():
    frame = read_pairs("workshop", items=["time-09", "negation-03"], languages=["sw", "hi"])
    assert frame["pair_id"].tolist() == ["negation-03-hi", "negation-03-sw", "time-09-hi", "time-09-sw"]
    assert len(read_pairs("workshop", items="time-09")) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"phenomena": "irony"}, "the phenomenon 'irony', as `phenomena` asks; got negation, "),
        ({"phenomena": ["time", "irony", "mood"]}, "'irony', 'mood'"),
        ({"phenomena": []}, "at least one phenomenon"),
        ({"items": "time-11"}, "the item 'time-11', as `items` asks; got negation-01, .*, \\.\\.\\."),
        ({"items": "time-01", "phenomena": "place"}, "'time-01'.*got place-01, "),
        ({"items": ()}, "at least one item"),
        ({"languages": "xx"}, "'xx'"),
        ({"languages": []}, "at least one language"),
    ],
)
def test_a_language_a_phenomenon_or_an_item_that_is_not_there_is_refused_by_name(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_pairs("workshop", **options)


@pytest.mark.parametrize(("column", "option"), [("phenomenon", "phenomena"), ("item", "items")])
def test_a_filter_of_a_source_without_its_column_is_refused(column, option):
    frame = read_pairs("workshop", languages="en").drop(columns=column)
    with pytest.raises(ValueError, match=f"column `{column}`, as `{option}` asks"):
        read_pairs(frame, **{option: "time"})


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_rationales_are_saved_and_read_again(tmp_path, suffix):
    frame = read_pairs("workshop", languages="en", limit=5)
    xlmkit.save_results(frame, tmp_path / f"pairs.{suffix}")
    again = xlmkit.read_results(tmp_path / f"pairs.{suffix}")
    spans = [[list(map(int, span)) for span in cell] for cell in again["premise_rationale"]]
    assert spans == frame["premise_rationale"].to_list()


# --- each check can fail


def pair(language: str = "en", premise: str = "", hypothesis: str = "", **changes) -> Item:
    texts = {
        "ar": ("ينام الكلب في الحديقة.", "ينام حيوان."),
        "bg": ("Кучето спи в градината.", "Едно животно спи."),
        "de": ("Der Hund schläft im Garten.", "Ein Tier schläft."),
        "el": ("Ο σκύλος κοιμάται στον κήπο.", "Ένα ζώο κοιμάται."),
        "en": ("The dog sleeps in the garden.", "An animal sleeps."),
        "es": ("El perro duerme en el jardín.", "Un animal duerme."),
        "fr": ("Le chien dort dans le jardin.", "Un animal dort."),
        "hi": ("कुत्ता बगीचे में सो रहा है।", "एक जानवर सो रहा है।"),
        "ru": ("Собака спит в саду.", "Животное спит."),
        "sw": ("Mbwa amelala bustanini.", "Mnyama amelala."),
        "th": ("หมานอนอยู่ในสวน", "สัตว์ตัวหนึ่งนอนอยู่"),
        "tr": ("Köpek bahçede uyuyor.", "Bir hayvan uyuyor."),
        "ur": ("کتا باغ میں سو رہا ہے۔", "ایک جانور سو رہا ہے۔"),
        "vi": ("Con chó ngủ trong vườn.", "Một con vật ngủ."),
        "zh": ("狗在花园里睡觉。", "一只动物在睡觉。"),
    }[language]
    premise, hypothesis = premise or texts[0], hypothesis or texts[1]
    first = [re.match(r"\w+", text, re.ASCII) for text in (premise, hypothesis)]
    spans = [((0, match.end() if match else len(text)),) for match, text in zip(first, texts, strict=True)]
    item = Item(
        f"{language}.jsonl", 1, language, "x-1", "x", "entailment", premise, hypothesis, spans[0], spans[1]
    )
    return dataclasses.replace(item, **changes)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_plain_sentence_is_no_fault(code):
    assert list(check_letters(pair(code))) == []
    assert list(check_typography(pair(code))) == []


@pytest.mark.parametrize(
    ("spans", "sentence"),
    [
        ((), "at least one span"),
        (((4, 99),), "end <= 29"),
        (((4, 4),), "start < end"),
        (((-3, 2),), "0 <= start"),
        (((8, 14), (4, 7)), "in order"),
        (((4, 7), (6, 14)), "do not overlap"),
        (((4, 6),), "whole words, got 'do'"),
        (((3, 7),), "begins and ends with a letter"),
        (((0, 28),), "the whole text"),
    ],
)
def test_a_wrong_span_is_found(spans, sentence):
    found = [finding.what for finding in check_spans(pair(premise_rationale=spans))]
    assert any(sentence in what for what in found), found


@pytest.mark.parametrize(
    ("text", "language", "inside", "between"),
    [
        ("l’eau", "fr", 3, 2),
        ("ng’ombe mkubwa", "sw", 3, 7),
        ("हिन्दी भाषा", "hi", 3, 6),  # after the virama
        ("กินข้าว", "th", 4, 3),  # before the tone mark
        ("Ayşe’nin evi", "tr", 2, 4),
        ("کتا سوتا", "ur", 1, 3),
    ],
)
def test_words_and_graphemes_are_not_cut(text, language, inside, between):
    assert is_boundary(text, between, language)
    assert not is_boundary(text, inside, language)


def test_in_chinese_every_character_may_begin_a_span():
    assert all(is_boundary("狗在花园里睡觉", offset, "zh") for offset in range(8))


@pytest.mark.parametrize(
    ("language", "premise", "sentence"),
    [
        ("ru", "The dog sleeps in the garden.", "in Cyrl"),
        ("ru", "Собака спит в сaду.", "'a' (U+0061)"),  # a Latin letter inside a Russian word
        ("bg", "Кучето спи в градины.", "'ы'"),
        ("ur", "کتا باغ مين سو رہا ہے۔", "'ي' (U+064A)"),
        ("ur", "كتا باغ میں سو رہا ہے۔", "'ك'"),
        ("ur", "کتا باغ میں سو رها ہے۔", "'ه'"),
        ("ar", "ینام الكلب في الحديقة.", "'ی'"),
        ("zh", "狗在花園裡睡覺這裡說。", "'說'"),
        ("de", "Der Hund schläft im Gartên.", "'ê'"),
        ("sw", "Mbwa amelalá bustanini.", "'á'"),
        ("hi", "The dog sleeps.", "in Deva"),
        ("th", "The dog sleeps.", "in Thai"),
        ("el", "Ο σκύλος κoιμάται στον κήπο.", "'o'"),
    ],
)
def test_letters_of_another_language_are_found(language, premise, sentence):
    found = [finding.what for finding in check_letters(pair(language, premise))]
    assert any(sentence in what for what in found), found


def test_the_remedy_names_the_urdu_letter():
    finding = next(check_letters(pair("ur", "كتا باغ میں سو رہا ہے۔")))
    assert "Write 'ک' (U+06A9)" in str(finding)
    assert str(finding).startswith("ur.jsonl:1: x-1: expected letters of Urdu")


def test_scripts_are_counted_over_letters_only():
    assert script_share("2026: ...", "ar") == 1
    assert script_share("Кот cat", "ru") == 0.5
    assert foreign_letters("Она купила DVD и книгу.", "ru") == []
    assert set(ALPHABETS) | {"hi", "th", "zh"} == set(LANGUAGES) == set(STYLES)


@pytest.mark.parametrize(
    ("language", "premise", "sentence"),
    [
        ("vi", "Con cho\u0301 ngủ trong vườn.", "NFC"),
        ("el", "Ο σκύλος κοιμάται στον κήπο\u037e", "NFC"),
        ("el", "Κοιμάται ο σκύλος?", "no '?'"),
        ("es", "Duerme el perro?", "'¿'"),
        ("es", "Duerme el perro!", "'¡'"),
        ("fr", "Le chien dort-il ?", "U+202F"),
        ("fr", "Le chien dort-il?", "U+202F"),
        ("fr", "Le chien dort : il est vieux.", "U+00A0 before :"),
        ("fr", "Il dit «\u00a0oui» au chien.", "inside « »"),
        ("hi", "कुत्ता बगीचे में सो रहा है.", "no '.'"),
        ("hi", "कुत्ता बगीचे में सो रहा है", "at the end"),
        ("hi", "कुत्ता ५ बजे सो रहा है।", "digits 0 to 9"),
        ("ur", "کتا باغ میں سو رہا ہے.", "no '.'"),
        ("ur", "کتا, باغ میں سو رہا ہے۔", "no ','"),
        ("ar", "هل ينام الكلب?", "no '?'"),
        ("ar", "ينام الكلب, هنا.", "no ','"),
        ("zh", "狗在花园里睡觉.", "no '.'"),
        ("zh", "狗, 在花园里睡觉。", "no ','"),
        ("zh", "狗在 花园里睡觉。", "no spaces in Chinese"),
        ("th", "หมานอนอยู่ในสวน.", "no '.'"),
        ("th", "หมา นอน อยู่ ใน สวน", "between phrases"),
        ("de", "Er sagt “ja” im Garten.", "marks „“"),
        ("de", "Er sagt „ja im Garten.", "as many"),
        ("en", 'He says "yes" here.', "no '\"'"),
        ("en", "The dog's bed is here.", 'no "\'"'),
        ("en", "The dog  sleeps.", "single spaces"),
        ("en", "The dog sleeps .", "no space before '.'"),
        ("en", "The dog\tsleeps.", "U+0009"),
        ("en", "The dog\x00sleeps.", "U+0000"),
        ("en", " The dog sleeps.", "at either end"),
        ("en", "The\u00a0dog sleeps.", "U+00A0"),
        ("en", "The\u200b dog sleeps.", "U+200B"),
        ("en", "The dog sleeps", "at the end"),
    ],
)
def test_foreign_typography_is_found(language, premise, sentence):
    found = [finding.what for finding in check_typography(pair(language, premise))]
    assert any(sentence in what for what in found), found


@pytest.mark.parametrize(
    ("language", "premise"),
    [
        ("fr", "Le chien dort-il\u202f? À 9:30, il a dit\u00a0: «\u00a0oui\u00a0»."),
        ("zh", "图书馆9:30开门，价格是1.5元。"),
        ("el", "Κοιμάται ο σκύλος;"),
        ("es", "¿Duerme el perro? ¡Sí!"),
        ("th", "ร้านเปิดเวลา 9.30 น. และปิดเวลา 18 นาฬิกา"),
        ("hi", "दुकान 9.30 बजे खुलती है।"),
        ("de", "Sie sagt: „Der Hund schläft.“"),
        ("ur", "قیمت 1.5 روپے ہے، سو لے لو۔"),
    ],
)
def test_native_typography_is_no_fault(language, premise):
    assert [finding.what for finding in check_typography(pair(language, premise))] == []


def test_uneven_labels_are_found():
    items = [pair(id=f"x-{number}", line=number) for number in range(1, 4)]
    found = [finding.what for finding in check_labels(items)]
    assert any("the file" in what and "entailment 3, neutral 0" in what for what in found)
    even = [dataclasses.replace(item, label=label) for item, label in zip(items, LABELS, strict=True)]
    assert list(check_labels(even)) == []


def test_repeated_ids_and_pairs_are_found():
    same = [pair(), pair(line=2)]
    found = [finding.what for finding in check_repeats(same)]
    assert any("id of its own" in what for what in found)
    assert any("texts of line 1" in what for what in found)
    echo = pair(hypothesis="The dog sleeps in the garden.")
    assert any("same one twice" in finding.what for finding in check_repeats([echo]))


def test_a_word_that_gives_the_label_away_is_found(english):
    cued = [
        dataclasses.replace(item, hypothesis=item.hypothesis[:-1] + " never.")
        if item.label == "contradiction"
        else item
        for item in english
    ]
    found = [finding.what for finding in check_cues(cued)]
    assert any("'never' with contradiction in 40 of 40" in what for what in found)
    assert any("hypotheses alone" in what for what in found)
    assert list(check_cues(cued[:59])) == []  # too few to say


def test_the_test_of_a_word_is_binomial_and_holms():
    items = [
        pair(id=f"x-{n}", label=LABELS[n % 3], hypothesis="aa" if n % 3 == 0 else "bb") for n in range(15)
    ]
    found = {cue.word: cue for cue in cue_words(items)}
    assert (found["aa"].label, found["aa"].count, found["aa"].total) == ("entailment", 5, 5)
    assert found["aa"].p == pytest.approx(6 * (1 / 3) ** 5)  # two words with three labels each


def test_items_that_share_wording_are_one_scene():
    items = [
        pair(hypothesis="The tower has 300 steps."),
        pair(premise="No.", hypothesis="The tower has more than 300 steps."),
        pair(premise="Yes.", hypothesis="Leila won."),
        pair(premise="Yes.", hypothesis="Somebody else lost."),
    ]
    numbers = scenes(items)
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]


def test_a_label_that_changed_in_translation_and_a_missing_item_are_found(english):
    french = [
        dataclasses.replace(item, language="fr", file="fr.jsonl", label=LABELS[0]) for item in english[1:]
    ]
    found = list(check_parallel([english, french]))
    assert any(f.item == "negation-02" and "the label of en.jsonl, 'neutral'" in f.what for f in found)
    assert any(f.item == "negation-01" and "missing" in f.what for f in found)


def test_files_in_one_language_are_not_compared(english):
    assert list(check_parallel([english, english[:5]])) == []


def test_what_a_file_lacks_is_not_said_while_lines_of_it_cannot_be_read(english):
    french = [dataclasses.replace(item, language="fr", file="fr.jsonl") for item in english[1:]]
    assert [f.item for f in check_parallel([english, french], [True, True])] == ["negation-01"]
    assert list(check_parallel([english, french], [True, False])) == []
    more = [*french, dataclasses.replace(french[0], id="negation-99")]
    assert [f.item for f in check_parallel([english, more], [True, False])] == ["negation-99"]
    assert list(check_parallel([english, more], [False, False])) == []


def test_a_text_of_another_length_than_its_translation_is_found(english):
    french = [dataclasses.replace(item, language="fr", file="fr.jsonl") for item in english]
    assert list(check_parallel([english, french])) == []
    french[3] = dataclasses.replace(french[3], premise="Court.")
    assert ["characters" in finding.what for finding in check_parallel([english, french])] == [True]


GOOD = {
    "id": "x-1",
    "phenomenon": "x",
    "label": "entailment",
    "premise": "The dog sleeps.",
    "hypothesis": "An animal sleeps.",
    "premise_rationale": [[4, 7]],
    "hypothesis_rationale": [[3, 9]],
    "note": "A dog is an animal.",
}


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": "maybe"}, "expected a label of"),
        ({"label": 1}, "text as `label`"),
        ({"premise": ""}, "text as `premise`"),
        ({"id": "y-1"}, "an id of the phenomenon"),
        ({"premise_rationale": [[4, 7, 9]]}, "list of spans as `premise_rationale`"),
        ({"premise_rationale": [[True, 7]]}, "list of spans"),
        ({"hypothesis_rationale": "animal"}, "list of spans as `hypothesis_rationale`"),
        ({"rational": []}, "no field 'rational'"),
        ({"note": None}, "text as `note`"),
        ({"label": None}, "text as `label`, got None"),
        ({"label": "Entailment"}, "expected a label of"),
        ({"id": "x-३"}, "an id of the phenomenon"),
        ({"id": 7}, "text as `id`, got 7"),
        ({"premise": ["a"]}, "text as `premise`"),
        ({"premise": "\u2003 \n"}, "text as `premise`"),
        ({"premise_rationale": [[4.0, 7.0]]}, "list of spans"),
        ({"premise_rationale": None}, "list of spans as `premise_rationale`, got None"),
    ],
)
def test_a_line_with_wrong_fields_is_found_with_its_line(tmp_path, change, sentence):
    file = write(tmp_path / "en.jsonl", GOOD | {"id": "x-2"}, GOOD | change)
    items, found = read_items(file)
    assert len(items) == 1
    assert any(f.line == 2 and sentence in f.what for f in found), found


def test_a_missing_field_and_a_line_that_is_no_json_are_found(tmp_path):
    file = write(tmp_path / "en.jsonl", {key: value for key, value in GOOD.items() if key != "label"})
    file.write_text(file.read_text() + "nonsense\n")
    assert [(f.line, "field `label`" in f.what or "JSON" in f.what) for f in read_items(file)[1]] == [
        (2, True),
        (1, True),
    ]


def test_a_finding_is_one_short_line_whatever_stands_in_the_file(tmp_path):
    rows = [
        GOOD | {"id": "x\n\x1b[31m"},
        GOOD | {"id": ""},
        GOOD | {"id": "x-" + "1" * 999, "label": "e"},
    ]
    rows += [GOOD | {"id": "x-4", "premise": "a" * 9999 + ".", "premise_rationale": [[4, 7]]}]
    found = check_files([write(tmp_path / "en.jsonl", *rows)])
    assert [finding.line for finding in found] == [1, 2, 3, 4]
    assert [finding.item for finding in found] == [None, None, None, "x-4"]
    assert all(str(finding).isprintable() and len(str(finding)) < 300 for finding in found)


def test_findings_stand_in_the_order_of_lines_and_labels_wait_until_every_line_is_read(tmp_path):
    rows = [GOOD, GOOD, GOOD | {"id": "x-3", "premise": "The cat sleeps ."}]
    found = check_files([write(tmp_path / "en.jsonl", *rows)])
    assert [finding.line for finding in found] == [2, 2, 3, None, None]
    assert "the labels of the file" in found[3].what
    found = check_files([write(tmp_path / "en.jsonl", *rows, GOOD | {"label": 1})])
    assert [finding.line for finding in found] == [2, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        ("{}".encode("utf-16"), "got UTF-16"),
        ('{"id": "é"}'.encode("latin-1"), "byte 0xe9"),
        (b"\x1f\x8b\x08\x00", "binary file"),
        (b"[" * 100_000 + b"]" * 100_000, "not valid JSON"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"id": "a", "id": "b"}', "appears twice"),
        (b"[]\nnull", "a JSON object, got list"),
    ],
)
def test_a_file_that_is_no_json_lines_is_a_sentence_and_no_traceback(tmp_path, capsys, content, said):
    file = tmp_path / "en.jsonl"
    file.write_bytes(content)
    assert main([str(file)]) in (1, 2)
    assert said in "".join(capsys.readouterr())


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path):
    file = write(tmp_path / "en.jsonl", GOOD)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert check_files([file]) == []


def test_only_english_needs_a_note(tmp_path):
    row = {key: value for key, value in GOOD.items() if key != "note"}
    assert read_items(write(tmp_path / "sw.jsonl", row))[1] == []
    assert "`note`" in read_items(write(tmp_path / "en.jsonl", row))[1][0].what


def test_a_file_says_its_language_by_its_name():
    assert [language_of(name) for name in ("fr.jsonl", "my-pairs-ur.jsonl", "a/b_zh.jsonl")] == [
        "fr",
        "ur",
        "zh",
    ]
    with pytest.raises(ValueError, match="ends in a language"):
        language_of("pairs.jsonl")


# --- the command


def test_the_command_lists_every_fault_with_its_line_and_exits_with_1(tmp_path, capsys):
    other = GOOD | {"id": "x-2", "label": "neutral", "premise": "The dog runs ."}
    file = write(tmp_path / "mine-en.jsonl", GOOD, other, GOOD | {"id": "x-3", "premise_rationale": [[4, 6]]})
    assert main([str(file)]) == 1
    out, err = capsys.readouterr()
    assert "mine-en.jsonl:2: x-2: `premise`: expected no space before '.'" in out
    assert "mine-en.jsonl:3: x-3: `premise_rationale`: expected whole words, got 'do'" in out
    assert all(line.endswith(".") for line in out.splitlines())
    assert f"{len(out.splitlines())} faults" in err


def test_the_command_says_when_all_is_well(capsys):
    assert main([str(FOLDER / "en.jsonl")]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "no faults" in err


def test_the_command_takes_the_language_of_a_file_whose_name_has_none(tmp_path, capsys):
    file = write(tmp_path / "pairs.jsonl", GOOD)
    assert main([str(file)]) == 2
    assert "Rename the file" in capsys.readouterr().err
    assert main([str(file), "--language", "ru"]) == 1
    assert "in Cyrl" in capsys.readouterr().out
    assert main(["no/such/en.jsonl"]) == 2


def test_the_command_compares_several_files_with_the_english_one(tmp_path, capsys):
    first = write(tmp_path / "sw.jsonl", GOOD | {"premise": "Mbwa amelala.", "hypothesis": "Mnyama amelala."})
    second = write(
        tmp_path / "en.jsonl", GOOD, GOOD | {"id": "x-2", "label": "neutral", "premise": "It rains."}
    )
    assert main([str(first), str(second)]) == 1
    assert "sw.jsonl: x-2: expected every item of en.jsonl" in capsys.readouterr().out
