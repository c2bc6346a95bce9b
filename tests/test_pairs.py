"""Pairs: nothing is swallowed, nothing guessed, and every faulty row is named."""

from __future__ import annotations

import csv
import json
import re
import sys
import types

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import LABELS, SPELLINGS, check_pairs, label_name, read_pairs
from xlmkit.pairs.validate import SHOWN

HEADER = "language\tpremise\thypothesis\tgold\n"
GOOD = {"language": "en", "premise": "a", "hypothesis": "b"}

pytestmark = pytest.mark.filterwarnings("ignore::xlmkit.notices.XlmkitWarning")


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


@pytest.fixture
def write(tmp_path):
    """write(name, content) -> the path of a file with these bytes or this text."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def message(source, **options):
    with pytest.raises(ValueError, match=r"expected|cannot be used|must|could be|no pair|a quote") as caught:
        read_pairs(source, **options)
    return str(caught.value)


# --- files


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "parquet"])
def test_every_format_gives_the_same_pairs(tmp_path, suffix):
    expected = read_pairs("workshop", phenomena="numbers").drop(
        columns=["premise_rationale", "hypothesis_rationale"]  # lists, which a table keeps as text
    )
    path = tmp_path / f"pairs.{suffix}"
    if suffix == "jsonl":
        expected.to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        expected.to_parquet(path)
    else:
        expected.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    found = read_pairs(path)
    pd.testing.assert_frame_equal(found, expected)
    assert found.attrs == {"source": f"pairs.{suffix}"}


def test_xnli_is_read_a_row_a_line_with_items_that_all_languages_share(shared):
    path = shared / "data" / "xnli" / "xnli.test.a.tsv"
    frame = read_pairs(path)
    raw = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[1:-1]]
    assert len(frame) == len(raw) == 15 * 2505  # although the text holds U+001D, at which splitlines breaks
    assert frame["premise"].tolist() == [row[2] for row in raw]
    assert frame["gold"].tolist() == [row[1] for row in raw]
    assert frame["item"].nunique() == 2505
    assert {"promptID", "genre"} <= set(frame.columns)
    pd.testing.assert_frame_equal(read_pairs(path.parent / "test"), frame)


def test_translated_training_data_takes_its_language_from_the_call(shared):
    path = shared / "data" / "train15k" / "multinli.train.en.tsv"
    with pytest.warns(XlmkitWarning, match="taken as 'en'"):
        frame = read_pairs(path, languages="en")
    assert len(frame) == 15001
    assert frame["premise"].str.count('"').sum() + frame["hypothesis"].str.count('"').sum() == path.read_text(
        encoding="utf-8"
    ).count('"')
    assert set(frame["gold"]) == set(LABELS)
    assert "languages='sw'" in message(path)
    assert "language" in message(path, languages=["en", "de"])


def test_a_folder_gives_a_split_or_asks_which(write):
    for split in ("dev", "test"):
        write(f"xnli.{split}.tsv", f"{HEADER}en\t{split}\tb\tneutral\n")
    folder = write("other.tsv", "x").parent
    assert read_pairs(folder / "dev")["premise"].tolist() == ["dev"]
    assert read_pairs(str(folder / "xnli.test.tsv"))["premise"].tolist() == ["test"]
    assert "xnli.dev.tsv, xnli.test.tsv" in message(folder)
    (folder / "xnli.test.tsv").unlink()
    assert read_pairs(folder)["premise"].tolist() == ["dev"]
    (folder / "xnli.dev.tsv").unlink()
    assert "neither" in message(folder)


@pytest.mark.parametrize("role", ["premise", "hypothesis", "gold", "language", "item", "pair_id"])
def test_columns_are_found_by_every_spelling_in_the_table(role):
    usual = pd.DataFrame([{**GOOD, "gold": "neutral", "item": "7", "pair_id": "x"}])
    for spelling in SPELLINGS[role]:
        for name in (spelling, spelling.upper(), spelling.title()):
            found = read_pairs(usual.rename(columns={role: name}))
            assert found.loc[0, role] == usual.loc[0, role]


def test_mixed_pairs_have_a_language_for_each_side(write):
    path = write(
        "mixed.csv", "premise,hypothesis,premise_lang,hypothesis_lang,item\na,b,en,de,1\nc,d,DE,ur,1\n"
    )
    frame = read_pairs(path)
    assert frame["premise_language"].tolist() == ["en", "de"]
    assert frame["pair_id"].tolist() == ["1-en-de", "1-de-ur"]
    assert read_pairs(path, languages=["de", "ur"])["premise"].tolist() == ["c"]
    assert "both languages" in message(path, languages=["en", "ur"])


def test_extra_columns_are_kept_as_written(write):
    frame = read_pairs(write("x.tsv", "id\tlang\tpremise\thypothesis\tzip\tnote\n007\ten\ta\tb\t00501\tNA\n"))
    assert frame.iloc[0].to_dict() == {
        "pair_id": "007",
        "language": "en",
        "premise": "a",
        "hypothesis": "b",
        "gold": frame.loc[0, "gold"],
        "zip": "00501",
        "note": "NA",
    }
    assert frame["gold"].isna().all()


def test_words_that_look_like_nothing_stay_words(write):
    words = ["None", "NA", "null", "nan", "N/A", "2024", "1e5", "true"]
    path = write("x.csv", "language,premise,hypothesis\n" + "".join(f"en,{w},{w}\n" for w in words))
    assert read_pairs(path)["premise"].tolist() == words


def test_bom_and_crlf_are_accepted(write):
    content = "language\tpremise\thypothesis\r\nen\ta\tb\r\nen\tc\td\r\n"
    rows = lines(GOOD, {**GOOD, "premise": "c", "hypothesis": "d"})
    for name, text in (("x.tsv", content), ("x.csv", content.replace("\t", ",")), ("x.jsonl", rows)):
        frame = read_pairs(write(name, b"\xef\xbb\xbf" + text.encode()))
        assert frame[["language", "premise", "hypothesis"]].to_numpy().tolist() == [
            ["en", *"ab"],
            ["en", *"cd"],
        ]


def test_semicolons_are_a_csv_too(write):
    frame = read_pairs(write("x.csv", 'language;premise;hypothesis\nen;a, b;"c; d"\n'))
    assert frame.loc[0, ["premise", "hypothesis"]].tolist() == ["a, b", "c; d"]


# --- quotes


def test_a_lone_quote_in_a_tsv_swallows_no_row(write):
    rows = ['en\t"a lone quote\tb\tneutral', "en\tc\td\tneutral", 'en\te "x"\tclosing"\tneutral']
    frame = read_pairs(write("x.tsv", HEADER + "\n".join(rows)))
    assert frame["premise"].tolist() == ['"a lone quote', "c", 'e "x"']
    assert frame["hypothesis"].tolist() == ["b", "d", 'closing"']


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_a_tsv_whose_quotes_can_only_be_quoting_is_unquoted_and_that_is_said(tmp_path, quoting):
    texts = ['he said "no"', "plain, with a comma", "plain"]
    if quoting != csv.QUOTE_MINIMAL:
        texts.append("a\tb\tc\td\ne")
    frame = pd.DataFrame({**GOOD, "premise": texts})
    frame.to_csv(tmp_path / "x.tsv", sep="\t", index=False, quoting=quoting)
    with pytest.warns(XlmkitWarning, match="quoted TSV"):
        assert read_pairs(tmp_path / "x.tsv")["premise"].tolist() == texts


def test_a_field_in_quotes_without_any_need_is_text(write):
    rows = ['en\t"no"\tb\tneutral', 'en\t"a ""b"""\tb\tneutral']
    assert read_pairs(write("x.tsv", HEADER + "\n".join(rows)))["premise"].tolist() == ['"no"', '"a ""b"""']


def test_quotes_that_would_hide_rows_of_a_tsv_are_text(write):
    # read as quoting, lines 2 and 3 would be one row of four fields
    content = HEADER + 'en\t"a\tb\tneutral\nen\tc"\td\tneutral\n'
    assert read_pairs(write("x.tsv", content))["premise"].tolist() == ['"a', 'c"']


@pytest.mark.parametrize(
    ("rows", "faulty"),
    [
        ('en\t"a\tb\nen\tc"\td\tneutral', [2]),
        ('en\t"a\tb\tneutral\nen\tc"\td', [3]),
        ('en\t"a\tb\nen\tx\ty\tneutral\nc"\td\tneutral', [2, 4]),
    ],
)
def test_faulty_rows_of_a_tsv_between_two_quotes_are_named(write, rows, faulty):
    said = message(write("x.tsv", HEADER + rows))
    assert [int(line.split(":")[0]) for line in said.split("line ")[1:]] == faulty
    assert said.count("expected 4 fields") == len(faulty)


@pytest.mark.parametrize(
    "rows",
    [
        '"a lone quote,b,en\nc,d,en\ne,f,en\n',
        '"a lone quote,b,en\nc,d,en\ne,f",en\n',
        '"a lone quote,b,en\nc,d,en\n"e",f,en\n',
        'a,"b,en\nc,d,en\ne,f",en\n',
        '"a,b,en\nc,d",en\ne,f,en\n',
    ],
)
def test_a_lone_quote_in_a_csv_is_named_and_swallows_no_row(write, rows):
    said = message(write("x.csv", "premise,hypothesis,language\n" + rows))
    assert "x.csv: line 2: a quote" in said


def test_a_quoted_csv_keeps_line_ends_commas_and_quotes_of_a_text(write):
    frame = read_pairs(
        write("x.csv", 'language,premise,hypothesis\r\nen,"a\r\nb, ""c""",d "e"\r\nde,x,y\r\n')
    )
    assert frame["premise"].tolist() == ['a\r\nb, "c"', "x"]
    assert frame["hypothesis"].tolist() == ['d "e"', "y"]


def test_lines_are_counted_through_quoted_line_ends(write):
    said = message(write("x.csv", 'language,premise,hypothesis\nen,"a\n\n\nb",d\nen,x\n'))
    assert "1 of 2 rows" in said
    assert "line 6: expected 3 fields" in said


FIELD = st.text(alphabet=st.sampled_from('ab"\t\n\r, ;é\u2028\x1d0'), min_size=1, max_size=8).filter(
    str.strip
)


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=5))
def test_what_the_csv_module_writes_is_read_as_it_was_or_refused(tmp_path, suffix, delimiter, texts):
    path = tmp_path / f"x.{suffix}"
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = [("premise", "hypothesis", "language"), *((p, h, "en") for p, h in texts)]
        csv.writer(file, delimiter=delimiter).writerows(rows)
    try:
        frame = read_pairs(path)
    except ValueError as error:
        found = str(error)
    else:
        found = list(zip(frame["premise"], frame["hypothesis"], strict=True))
    # Refused: a text that looks like rows of its own.
    assert found == texts or "cannot be used" in found or "hides whole rows" in found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(alphabet='ab",é \u2028\x1d', min_size=1, max_size=6).filter(str.strip), min_size=1))
def test_an_unquoted_tsv_has_as_many_rows_as_lines(tmp_path, texts):
    path = tmp_path / "x.tsv"
    path.write_text(HEADER + "".join(f"en\t{text}\tb\tneutral\n" for text in texts), encoding="utf-8")
    assert len(read_pairs(path)) == len(texts)


# --- bad files


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.tsv", "", "got an empty file"),
        ("x.csv", "\r\n\n ", "got an empty file"),
        ("x.jsonl", "\n", "expected at least one pair, got an empty file"),
        ("x.tsv", HEADER, "at least one pair, got none"),
        ("x.csv", b"PK\x03\x04\x00", "binary file (a null at byte 4)"),
        ("x.tsv", HEADER.encode("utf-16"), "got UTF-16"),
        ("x.tsv", (HEADER + "fr\tété\tb\t\n").encode("latin-1"), "byte 0xe9 at offset 36 (line 2)"),
        ("x.tsv", HEADER.encode() + b"en\t\xed\xa0\x80\tb\t\n", "byte 0xed at offset 36 (line 2)"),
        ("x.parquet", "no parquet", "expected a Parquet file"),
        ("x.xlsx", "x", "expected a .tsv, .csv, .jsonl, .parquet file; got .xlsx"),
        ("x", "x", "got no suffix"),
        (
            "x.csv",
            "premise,label\na,neutral\n",
            "column `hypothesis` (or hypo or sentence2); got 'premise', 'label'",
        ),
        ("x.csv", "a,b\na,b\n", "`premise` (or sentence1) and `hypothesis`"),
        ("x.csv", "premise,premise\na,b\n", "got ['premise'] more than once"),
        ("x.csv", "premise,hypothesis,premise_language\na,b,en\n", "`hypothesis_language`"),
        ("x.csv", "premise,hypothesis,lang,premise_language,hypothesis_language\na,b,en,en,en\n", "got both"),
        ("x.csv", "premise,hypothesis,lang,gold_label,label\na,b,en,,\n", "columns gold_label, label"),
        ("x.jsonl", "x\n", "line 1: not valid JSON (Expecting value, column 1)"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_was_got(write, name, content, expected):
    said = message(write(name, content))
    assert expected in said
    assert name in said


def test_a_file_that_is_not_there_is_refused_with_what_may_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'workshop', 'xnli/dev', 'xnli/test'"):
        read_pairs(tmp_path / "nowhere.tsv")
    with pytest.raises(FileNotFoundError, match=r"no file 'sample' \(.* replaced by 'workshop'\)"):
        read_pairs("sample")
    with pytest.raises(TypeError, match="got list"):
        read_pairs([1])


def test_all_faulty_rows_are_named_by_line_with_all_their_faults(write):
    rows = ["en\ta\tb", "xx\t\t \u200b\tmaybe", "", "en\ta\tb\tneutral\tmore", "en\ta\tb\t0", "en\tok\tok\t-"]
    said = message(write("x.tsv", HEADER + "\n".join(rows)))
    assert "x.tsv: 5 of 6 rows cannot be used" in said
    assert "line 2: expected 4 fields (language, premise, hypothesis, gold), got 3" in said
    assert (
        "line 3: unknown language 'xx'; `premise` is empty; `hypothesis` has no visible character: ' \\u200b'; "
        "unknown label 'maybe'" in said
    )
    assert "line 4: an empty line" in said
    assert "line 5: expected 4 fields (language, premise, hypothesis, gold), got 5" in said
    assert "line 6: label '0' is a number" in said
    assert "line 7" not in said
    fixes = [line for line in said.splitlines() if not line.startswith(" ")][1:]
    assert len(fixes) == len(set(fixes)) == 5
    assert all(fix.endswith(".") for fix in fixes)


def test_all_faulty_json_lines_are_named(write):
    rows = [
        json.dumps({**GOOD, "hypothesis": 5, "gold": 2}),
        '{"premise": "a"',
        "[1]",
        "",
        '{"premise": null, "hypothesis": NaN, "language": null, "gold": true}',
        '{"premise": "a", "premise": "b"}',
        json.dumps({**GOOD, "premise": "x\ud800", "language": ["en"], "more": "\udfff"}),
        json.dumps(GOOD),
    ]
    said = message(write("x.jsonl", "\n".join(rows)))
    for part in (
        "7 of 8 rows",
        "line 1: `hypothesis` must be text, got 5 (int); label 2 is a number",
        "line 2: not valid JSON",
        "line 3: expected a JSON object, got list",
        "line 4: an empty line",
        "line 5: no language; `premise` is missing; `hypothesis` is missing; label True is a number",
        "line 6: not valid JSON (key 'premise' appears twice)",
        "line 7: unknown language ['en']; `premise` has a lone surrogate U+D800 at character 1; `more` has a lone surrogate U+DFFF",
    ):
        assert part in said


def test_a_long_list_of_faulty_rows_is_cut_and_counted(write):
    said = message(write("x.csv", "premise,hypothesis,language,label\n" + "a,b,en,1\n" * 30))
    assert said.count("is a number") == SHOWN
    assert "and 10 more" in said
    assert said.count("Write labels by name") == 1


def test_a_repeated_id_is_named_with_its_first_line(write):
    rows = [{**GOOD, "id": number} for number in (1, 2, 1, None, "")]
    said = message(write("x.jsonl", lines(*rows)))
    assert "line 3: `pair_id` '1' was already used at line 1" in said
    assert "line 4: no `pair_id`" in said
    assert "line 5: no `pair_id`" in said


def test_an_id_that_repeats_from_language_to_language_is_an_item_and_that_is_said(write):
    rows = [{**GOOD, "id": number, "language": code} for number in (1, 2) for code in ("en", "de")]
    with pytest.warns(XlmkitWarning, match="taken as `item`"):
        frame = read_pairs(write("x.jsonl", lines(*rows)))
    assert frame["item"].tolist() == ["1", "1", "2", "2"]
    assert frame["pair_id"].tolist() == ["1-en", "1-de", "2-en", "2-de"]


def test_rows_without_ids_are_numbered(write):
    assert read_pairs(write("x.jsonl", lines(GOOD, GOOD)))["pair_id"].tolist() == ["1", "2"]


# --- texts


@pytest.mark.parametrize(
    "text",
    [
        "word " * 10_000,
        "x" * 300_000,
        "?!…",
        "\u200bzero\u202ewidth\ufeff",
        "bell\x07 escape\x1b",
        "😀",
        "👩‍👩‍👧",
        "мир world 世界 عالم",
        "\u0301",
        "a\u2028b\x85c",
        "<script>alert(1)</script>",
        "=1+1",
    ],
)
@pytest.mark.parametrize("name", ["x.tsv", "x.csv", "x.jsonl"])
def test_odd_texts_are_kept_as_they_are(write, name, text):
    content = {
        "x.tsv": f"language\tpremise\thypothesis\nen\t{text}\tb\n",
        "x.csv": f"language,premise,hypothesis\nen,{text},b\n",
        "x.jsonl": lines({**GOOD, "premise": text}),
    }
    assert read_pairs(write(name, content[name])).loc[0, "premise"] == text


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0\u3000", "\u200b", "\x00\x1f", "\u202e", "\ufeff"])
def test_a_text_without_a_visible_character_is_refused(text):
    with pytest.raises(ValueError, match="`hypothesis`"):
        check_pairs(pd.DataFrame([{**GOOD, "hypothesis": text}], dtype=object))


@pytest.mark.parametrize("text", [None, float("nan"), pd.NA, 5, 2.5, True, b"bytes", ["a"], {"en": "a"}])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ValueError, match=r"`premise` (is missing|must be text)"):
        check_pairs(pd.DataFrame([{**GOOD, "premise": text}], dtype=object))


# --- languages


def test_upper_case_and_region_codes_are_taken_as_their_base_and_that_is_said(write):
    path = write("x.csv", "premise,hypothesis,language\na,b,EN\na,b,zh-CN\n")
    with pytest.warns(XlmkitWarning) as said:
        assert read_pairs(path)["language"].tolist() == ["en", "zh"]
    assert {str(entry.message) for entry in said} == {
        "language 'EN' is taken as 'en' (English)",
        "language 'zh-CN' is taken as 'zh' (Chinese)",
    }


def test_languages_passes_over_other_languages_but_not_over_rows_without_one(write):
    path = write("x.csv", "premise,hypothesis,language\na,b,en\nc,d,pt\n")
    assert "line 3: unknown language 'pt'" in message(path)
    assert read_pairs(path, languages="EN")["premise"].tolist() == ["a"]
    assert "expected pairs in de, as `languages` asks; got pairs in en" in message(
        path, languages=["en", "de"]
    )
    assert "'pt'" in message(path, languages="pt")
    assert "at least one language" in message(path, languages=[])
    assert "line 2: no language" in message(
        write("y.csv", "premise,hypothesis,language\na,b,\n"), languages="en"
    )


# --- limit


def test_limit_keeps_the_same_first_items_in_every_language():
    frame = read_pairs("workshop", languages=["sw", "en", "ur"], limit=3)
    assert frame.groupby("language")["item"].apply(list).to_dict() == {
        code: ["negation-01", "negation-02", "negation-03"] for code in ("en", "sw", "ur")
    }


def test_limit_takes_the_items_that_all_languages_have():
    pairs = read_pairs("workshop", languages=["en", "de"], phenomena="time")
    holes = pairs[~pairs["pair_id"].isin(["time-01-en", "time-03-de"])].sample(frac=1, random_state=1)
    frame = read_pairs(holes, limit=4)
    shared = [item for item in holes["item"].unique() if item not in ("time-01", "time-03")]
    assert set(frame["item"]) == set(shared[:4])
    assert (frame["language"].value_counts() == 4).all()
    with pytest.warns(XlmkitWarning, match="8 items"):
        assert len(read_pairs(holes, limit=9)) == 16


def test_a_limit_may_be_a_number_of_numpy():
    assert len(read_pairs("workshop", languages="en", limit=np.int64(3))) == 3


def test_limit_counts_rows_where_there_are_no_shared_items():
    frame = pd.DataFrame(
        [{**GOOD, "language": code, "premise": f"{n}"} for code in ("en", "de") for n in "123"]
    )
    assert read_pairs(frame, limit=2)["premise"].tolist() == ["1", "2", "1", "2"]
    frame["item"] = ["a", "b", "c", "x", "y", "z"]
    assert read_pairs(frame, limit=2)["item"].tolist() == ["a", "b", "x", "y"]


@pytest.mark.parametrize("limit", [0, -1, 2.0, True, "3"])
def test_a_limit_that_is_no_positive_number_is_refused(limit):
    assert "`limit`" in message("workshop", limit=limit)


# --- labels


def test_labels_go_by_name_in_the_spellings_of_the_sources():
    names = {
        "Entailment": "entailment",
        " ENTAILMENT ": "entailment",
        "contradictory": "contradiction",
        "n": "neutral",
    }
    assert {spelling: label_name(spelling) for spelling in names} == names
    assert [label_name(value) for value in ("-", "", "hidden", None, float("nan"), pd.NA)] == [None] * 6


@pytest.mark.parametrize("value", [0, 1, 2.0, -1, True, np.int64(1), "0", "2.0", "-1"])
def test_a_numbered_label_is_refused_with_the_remedy(value):
    with pytest.raises(ValueError, match=r"is a number; write labels by name.*map\(\{0: 'entailment'"):
        label_name(value)


@pytest.mark.parametrize("value", ["not_entailment", "None", "label", ["neutral"]])
def test_an_unknown_label_is_refused(value):
    with pytest.raises(ValueError, match="unknown label"):
        label_name(value)


# --- frames


def test_check_pairs_keeps_index_order_and_columns_and_changes_nothing_it_was_given():
    given = pd.DataFrame(
        {
            "note": [3, 1],
            "sentence1": ["a", "b"],
            "sentence2": ["c", "d"],
            "lang": ["EN", "de"],
            "label": ["Neutral", None],
        },
        index=["x", "y"],
    )
    before = given.copy()
    found = check_pairs(given)
    pd.testing.assert_frame_equal(given, before)
    assert list(found.columns) == ["pair_id", "note", "premise", "hypothesis", "language", "gold"]
    assert list(found.index) == ["x", "y"]
    assert found["pair_id"].tolist() == ["1", "2"]
    assert found["gold"].tolist()[0] == "neutral"
    assert found["gold"].isna().tolist() == [False, True]
    pd.testing.assert_frame_equal(check_pairs(found), found)


def test_check_pairs_keeps_an_index_that_repeats_and_adds_no_gold():
    given = pd.DataFrame([GOOD, GOOD], index=[5, 5])
    found = check_pairs(given)
    assert list(found.index) == [5, 5]
    assert "gold" not in found


def test_faulty_rows_of_a_frame_are_named_by_their_index():
    given = pd.DataFrame([GOOD, {**GOOD, "premise": None, "language": "xx"}], index=["first", "second"])
    with pytest.raises(
        ValueError, match=r"1 of 2 rows cannot be used\n  index 'second': unknown.*is missing"
    ):
        check_pairs(given)


@pytest.mark.parametrize(("index", "said"), [([7, 30], "30"), ([(1, "a"), (2, "b")], "(2, 'b')")])
def test_numbers_of_an_index_are_written_as_numbers(index, said):
    index = pd.Index(index)
    with pytest.raises(ValueError, match=re.escape(f"index {said}: `premise` is missing")):
        check_pairs(pd.DataFrame([GOOD, {**GOOD, "premise": None}], index=index))


def test_predictions_are_not_mistaken_for_gold():
    predicted = pd.DataFrame([{**GOOD, "prediction": "neutral", "p_entailment": 0.1, "p_neutral": 0.8}])
    assert "gold" not in check_pairs(predicted)
    assert read_pairs(predicted)["gold"].isna().all()
    found = check_pairs(predicted.assign(gold="entailment"))
    assert found.loc[0, ["prediction", "gold"]].tolist() == ["neutral", "entailment"]


def test_a_column_label_is_gold_and_a_warning_says_so():
    labelled = pd.DataFrame([{**GOOD, "label": "neutral"}])
    with pytest.warns(XlmkitWarning, match="'label' is read as gold"):
        assert check_pairs(labelled).loc[0, "gold"] == "neutral"
    both = check_pairs(labelled.assign(gold="entailment"))
    assert both.loc[0, ["label", "gold"]].tolist() == ["neutral", "entailment"]


def test_no_rows_are_no_fault_of_a_frame_but_one_of_a_source():
    empty = read_pairs("workshop", languages="en").iloc[:0]
    found = check_pairs(empty)
    assert len(found) == 0
    assert list(found.columns) == list(empty.columns)
    assert "at least one pair, got none" in message(empty)
    with pytest.raises(TypeError, match="got dict"):
        check_pairs(GOOD)


# --- XNLI from the Hub


class HubXNLI(list):
    """What `datasets` gives for "all_languages", with labels in an order of its own."""

    def __init__(self):
        super().__init__(
            {
                "premise": {"en": f"p{n}", "de": f"v{n}"},
                "hypothesis": {"language": ["de", "en"], "translation": [f"h{n}", f"g{n}"]},
                "label": n - 1,
            }
            for n in range(3)
        )
        self.features = {
            "label": types.SimpleNamespace(names=["neutral", "entailment", "contradiction"])
        }  # not the Hub's


def test_xnli_from_the_hub_is_parallel_and_its_label_order_is_read(monkeypatch, tmp_path):
    asked = []
    fake = types.SimpleNamespace(
        load_dataset=lambda *args, **kwargs: (asked.append((args, kwargs)), HubXNLI())[1]
    )
    monkeypatch.setitem(sys.modules, "datasets", fake)
    monkeypatch.chdir(tmp_path)
    frame = read_pairs("xnli/dev")
    assert asked == [(("facebook/xnli", "all_languages"), {"split": "validation"})]
    assert frame["pair_id"].tolist() == ["1-de", "1-en", "2-de", "2-en", "3-de", "3-en"]
    assert frame["premise"].tolist() == ["v0", "p0", "v1", "p1", "v2", "p2"]
    assert frame["hypothesis"].tolist() == ["h0", "g0", "h1", "g1", "h2", "g2"]
    assert frame["gold"].isna().tolist() == [True, True, False, False, False, False]
    assert frame["gold"].tolist()[2:] == ["neutral", "neutral", "entailment", "entailment"]
    assert frame.attrs == {"source": "xnli/dev"}


def test_without_datasets_or_network_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"pip install datasets, or download .*XNLI-1.0.zip"):
        read_pairs("xnli/test")

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=offline))
    with pytest.raises(ConnectionError, match=r"OSError: no network.*or download"):
        read_pairs("xnli/test")
