import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_explanation import explanation

from xlmkit import render
from xlmkit.explanation import ExplainedToken, ExplainedWord
from xlmkit.languages import LANGUAGES
from xlmkit.render.style import STYLE

ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "footer", "dl", "dt", "dd"),
    *("section", "header", "div", "p", "span", "b", "bdi", "br", "sub"),
    *("details", "summary", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"class", "lang", "dir", "title", "role", "charset", "http-equiv", "name", "content", "scope"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script><style>",
    "<!-- &lt;script&gt; --> &amp; &#60;b&#62;",
    "\u202eevil\u202c \u2066x \x00\x08\x1b\x7f \ud800 \r\n",
    "javascript:alert(1) ]]> <svg/onload=alert(1)>",
]


class Reader(HTMLParser):
    """Collects elements, attributes and the text of both sentences (without the numbers under the words)."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.open, self.sentences = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "br"):
            self.open.append((tag, dict(attributes).get("class") or ""))
        if dict(attributes).get("class") == "xk-text":
            self.sentences.append("")

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        classes = [css for _, css in self.open]
        added = self.open and (self.open[-1][0] == "sub" or "xk-code xk-prepared" in classes)
        if "xk-text" in classes and not added:
            self.sentences[-1] += chr(int(data.removeprefix("U+"), 16)) if "xk-code" in classes else data


def read(html):
    reader = Reader(html)
    assert reader.open == []
    assert set(reader.elements) <= ELEMENTS
    assert {name for name, _ in reader.attributes} <= ATTRIBUTES
    return reader


def with_premise(premise, words, **changes):
    """An explanation whose premise has words at these spans, each of one token, scored 1, -2, 3, ..."""
    places = [ExplainedWord(premise[start:end].lower(), 0, start, end) for start, end in words]
    tokens = tuple(ExplainedToken(word.text, at, 0, word.start, word.end) for at, word in enumerate(places))
    scores = np.array([(-1.0) ** at * (at + 1) for at in range(len(places))])
    given = {"premise": premise, "words": tuple(places), "tokens": tokens, "scores": scores}
    return explanation(**(given | changes))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_wherever_it_stands(text):
    words = [(match.start(), match.end()) for match in re.finditer(r"\w+|[^\w\s]", text)]
    made = with_premise(
        text,
        words,
        hypothesis=text,
        pair_id=text,
        prediction=text,
        gold=text,
        target=text,
        contrast=text,
        premise_language=text,
        method=text,
        unit=text,
        provenance={text: {"model": text}},
    )
    reader = read(render.page([made]))
    assert reader.sentences == [text, text]
    assert "script" not in reader.elements
    assert not render.BIDI_CONTROLS & set(render.page([made]))
    render.page([made]).encode("utf-8")


@given(
    premise=st.text(max_size=20),
    spans=st.lists(st.tuples(st.integers(-3, 30), st.integers(-3, 30)), max_size=6),
)
def test_every_character_is_kept_once_whatever_the_spans(premise, spans):
    words = tuple(ExplainedWord("w", 0, start, end) for start, end in spans)
    made = explanation(premise=premise, words=words, tokens=(), scores=np.zeros(0), truncated=True)
    reader = read(render.card(made))
    assert reader.sentences == [premise, made.hypothesis]


def test_nothing_is_fetched_and_nothing_runs():
    html = render.page([explanation(), explanation(converged=False, delta=0.5, n_steps=300)])
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html
    assert "script" not in read(html).elements


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_sentence_has_its_own_language_and_direction(code):
    html = render.card(explanation(premise_language=code, hypothesis_language="en"))
    assert f'lang="{code}" dir="{LANGUAGES[code].direction}"' in html
    assert 'class="xk-text" lang="en" dir="ltr"' in html


def test_where_no_blanks_are_written_a_line_says_where_a_word_begins():
    """And nowhere else: in Arabic, Urdu and Hindi it would run through joined letters."""
    [languages] = re.findall(r"\.xk-text:is\(([^{]*)\) \.xk-w\{box-shadow:inset", STYLE)
    assert re.findall(r":lang\((\w+)\)", languages) == ["th", "zh"]


def test_words_are_drawn_where_the_user_wrote_them():
    made = with_premise(
        'He said "no." ', [(0, 2), (3, 7), (8, 9), (9, 11), (12, 13), (11, 12)]
    )  # the quote moved
    reader = read(render.card(made))
    assert reader.sentences[0] == 'He said "no." '
    html = render.card(made)
    assert 'title=".: −6.00' in html
    assert 'title="&quot;: +5.00' in html
    assert html.index(">He<") < html.index(">said<") < html.index(">.<") < html.index(">&quot;</span> </p>")


def test_overlapping_words_become_one_run_with_the_sum_of_their_scores():
    made = with_premise("½ cup", [(0, 1), (0, 1), (2, 5)])  # scores 1, -2, 3
    assert 'title="½ ½: −1.00 logits"' in render.card(made)
    assert read(render.card(made)).sentences[0] == "½ cup"


def test_sign_and_strength_are_told_without_colour():
    html = render.card(with_premise("good bad big", [(0, 4), (5, 8), (9, 12)]))  # 1, -2, 3
    assert 'class="xk-w xk-p8" title="big: +3.00 logits">big<sub dir="ltr">+3.0</sub>' in html
    assert 'class="xk-w xk-n5" title="bad: −2.00 logits">bad<' in html
    assert re.search(r"\.xk-p8\{[^}]*3px solid", html)
    assert re.search(r"\.xk-n5\{[^}]*2px dashed", html)


def test_the_numbers_under_the_words_have_as_many_decimals_as_the_scale_needs():
    for size, expected in (
        (30.0, ["+30.0", "−20.0"]),
        (0.3, ["+0.30", "−0.20"]),
        (0.003, ["+0.0030", "−0.0020"]),
    ):
        made = with_premise("good bad", [(0, 4), (5, 8)], scores=np.array([size, -size * 2 / 3]))
        assert re.findall(r'<sub dir="ltr">([^<]+)</sub>', render.card(made)) == expected


def test_the_scale_has_numbers_and_names_its_ends():
    html = render.card(with_premise("good bad big", [(0, 4), (5, 8), (9, 12)]))
    legend = html[html.index('class="xk-legend"') : html.index('class="xk-account"')]
    for number in (
        "−3.00",
        "−1.50",
        ">0<",
        "+1.50",
        "+3.00",
        "against contradiction",
        "for contradiction",
        "logits",
    ):
        assert number in legend


def test_who_points_at_a_number_of_the_account_reads_what_it_is():
    made = explanation(target='<b>"', baseline_output=0.5)
    html = render.card(made)
    account = html[html.index('class="xk-account"') : html.index("<details")]
    parts = re.findall(r'<span title="([^"]+)">([^<]+)</span>', account)
    assert [text.split()[0] for _, text in parts] == ["F(x)", "F(baseline)", "change", "words", "special"]
    assert parts[0][0] == "the logit of &lt;b&gt;&quot;"
    assert 'class="xk-verdict" title="the gate: ' in account


def test_the_scale_and_the_account_can_be_read_without_their_style():
    html = render.card(with_premise("good bad big", [(0, 4), (5, 8), (9, 12)]))
    text = re.sub(r"<[^>]+>", "", html[html.index('<div class="xk-legend">') :])
    assert text.startswith("against contradiction −3.00 −1.50 0 +1.50 +3.00 for contradiction logits")
    assert re.search(r"F\(x\) \S+ F\(baseline\) \S+ change \S+ words \S+ special tokens \S+ ", text)


def test_a_number_never_tears_joined_letters_apart():
    made = with_premise(
        "कल स्कूल पीछे।", [(0, 2), (3, 5), (5, 8), (9, 13), (13, 14)], scores=np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    )
    assert re.findall(r">([^<>]+)<sub", render.card(made)) == ["कल", "पीछे"]


def test_a_failed_gate_is_drawn_as_failed():
    html = render.card(explanation(converged=False, delta=0.31, n_steps=300, output=1.0, baseline_output=0.9))
    assert 'class="xk xk-failed"' in html
    assert (
        "<b>Failed.</b> After 300 steps the scores still miss the change in logit by 0.31; 0.02 is allowed."
        in html
    )
    assert "<b>FAILED</b>" in html
    assert ".xk-failed .xk-text" in html
    converged = render.card(explanation())
    assert 'class="xk"' in converged
    assert "<b>passed</b>" in converged
    assert "Failed." not in converged


def test_untrained_truncated_and_ungated_are_said():
    html = render.card(
        explanation(trained=False, truncated=True, converged=None, delta=None, hypothesis="No cat and more")
    )
    assert 'class="xk xk-untrained"' in html
    assert "<b>Untrained.</b>" in html
    assert "<b>Truncated.</b>" in html
    assert '<span class="xk-cut" title="not seen by the model"> and more</span>' in html
    assert "no gate" in html


def test_label_probability_gold_target_and_contrast_are_shown():
    html = render.card(explanation(target="neutral", contrast="entailment", gold="entailment"))
    for text in (
        "contradiction <b>75",
        "gold: entailment ✗ wrong",
        "<b>neutral</b> rather than <b>entailment</b>",
        "pair p1",
    ):
        assert text in html
    assert "✓ right" in render.card(explanation())
    assert "gold:" not in render.card(explanation(gold=None))


def test_l2_scores_have_no_sign():
    html = render.card(explanation(aggregation="l2", scores=np.arange(8.0)))
    assert "of either sign" in html
    assert 'title="no: 5.00 logits"' in html
    assert "special tokens" not in html


def test_an_explanation_without_any_effect_or_any_word_is_still_drawn():
    assert "No word has an effect" in render.card(explanation(scores=np.zeros(8)))
    read(render.card(with_premise("", [])))


def test_a_page_gives_each_provenance_once():
    html = render.page([explanation(), explanation(), explanation(provenance={"xlmkit": "9"})])
    assert html.count("<section") == 3
    assert html.count("<dt>model.source</dt><dd>tiny</dd>") == 1
    assert "Provenance 2: 1 explanation<" in html
    assert html.count("<style>") == 1
    assert "No explanations." in render.page([])


def test_save_html_writes_one_explanation_or_several(tmp_path):
    path, made = tmp_path / "page.html", explanation(premise="\ud800 شب")
    for one, listed in ((made, [made]), ([made, made], [made, made])):
        render.save_html(one, path)
        assert path.read_text(encoding="utf-8") == render.page(listed)


# -- side by side


def parallel(**changes):
    """The hand-made pair in three languages, Arabic and Swahili wrong; and the frame with its English original."""
    made = [
        explanation(
            pair_id=f"a-{code}",
            premise_language=code,
            hypothesis_language=code,
            prediction="neutral" if code in ("ar", "sw") else "contradiction",
            **changes,
        )
        for code in ("en", "ar", "sw")
    ]
    rows = [(one.pair_id, "a", "A cat sleeps.", "No cat sleeps.") for one in made]
    return made, pd.DataFrame(rows, columns=["pair_id", "item", "english_premise", "english_hypothesis"])


def table_rows(html):
    return re.findall(r'<tr class="[^"]*"><th scope="row">.*?</tr>', html, re.S)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_side_by_side(text):
    words = [(match.start(), match.end()) for match in re.finditer(r"\w+|[^\w\s]", text)]
    made = with_premise(
        text,
        words,
        hypothesis=text,
        pair_id=text,
        prediction=text,
        gold=text,
        target=text,
        contrast=text,
        premise_language=text,
        method=text,
        unit=text,
    )
    columns = ["pair_id", "item", "english_premise", "english_hypothesis"]
    pairs = pd.DataFrame([(text, text, text, text)], columns=columns, dtype=object)
    for html in (render.side_by_side([made], pairs=pairs), render.side_by_side_page([made], pairs=pairs)):
        reader = read(html)
        assert reader.sentences == [text, text]
        assert "script" not in reader.elements
        assert not render.BIDI_CONTROLS & set(html)
        html.encode("utf-8")


def test_side_by_side_each_text_has_its_own_language_and_direction():
    made, pairs = parallel()
    english, arabic, swahili = table_rows(render.side_by_side(made, pairs=pairs))
    for row, code, direction in ((english, "en", "ltr"), (arabic, "ar", "rtl"), (swahili, "sw", "ltr")):
        assert row.count(f'class="xk-text" lang="{code}" dir="{direction}"') == 2
    assert ".xk-english p{" in render.side_by_side(made, pairs=pairs)
    assert re.search(r"\.xk-english p\{[^}]*unicode-bidi:isolate", render.side_by_side(made, pairs=pairs))


def test_the_english_original_stands_beside_every_other_language_and_not_beside_english():
    made, pairs = parallel()
    english, *others = table_rows(render.side_by_side(made, pairs=pairs))
    assert "A cat sleeps." not in english
    for row in others:
        assert '<p lang="en" dir="ltr">A cat sleeps.</p><p lang="en" dir="ltr">No cat sleeps.</p>' in row
    # Without a frame the English explanation has the texts; without either there is no column for them.
    assert '<p lang="en" dir="ltr">The  cat</p>' in table_rows(render.side_by_side(made))[1]
    assert "English original" not in render.side_by_side(made[1:])


def test_right_and_wrong_are_told_by_a_sign_and_a_word():
    english, arabic, swahili = table_rows(render.side_by_side(parallel()[0]))
    assert "✓ right" in english
    assert "✗ wrong" in arabic
    assert "✗ wrong" in swahili
    assert "gold: contradiction; 1 right, 2 wrong" in render.side_by_side(parallel()[0])
    unknown = render.side_by_side(parallel(gold=None)[0])
    assert "✓" not in unknown
    assert "✗" not in unknown


def test_all_languages_share_one_scale_that_no_failed_explanation_sets():
    quiet, loud = explanation(premise_language="de"), explanation(scores=4 * explanation().scores)
    assert 'title="no: +1.50 logits"' in render.side_by_side([quiet])
    assert 'class="xk-w xk-p8" title="no: +1.50 logits"' in render.side_by_side([quiet])
    assert 'class="xk-w xk-p2" title="no: +1.50 logits"' in render.side_by_side([quiet, loud])
    failed = dataclasses.replace(loud, converged=False, delta=2.0, n_steps=300)
    html = render.side_by_side([quiet, failed])
    assert 'class="xk-w xk-p8" title="no: +1.50 logits"' in html
    assert '<tr class="xk-failed">' in html
    assert "<b>Failed.</b>" in html


def test_what_is_explained_is_said_once_or_in_each_row():
    made, _ = parallel(contrast="entailment")
    html = render.side_by_side(made)
    assert html.count("explained: <b>contradiction</b> rather than <b>entailment</b>") == 1
    assert "for entailment" in html
    made[1] = dataclasses.replace(made[1], target="neutral")
    html = render.side_by_side(made)
    assert "do not compare scores between labels" in html
    assert all("explained: <b>" in row for row in table_rows(html))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made, pairs: ([], pairs), "at least one explanation"),
        (lambda made, pairs: ([made[0], made[0]], pairs), "two in 'en'"),
        (
            lambda made, pairs: ([made[0], dataclasses.replace(made[1], aggregation="l2")], pairs),
            "one method and aggregation",
        ),
        (lambda made, pairs: (made, pairs[:2]), "none with 'a-sw'"),
        (lambda made, pairs: (made, pairs.drop(columns="pair_id")), "none with 'a-en'"),
        (lambda made, pairs: (made, pd.concat([pairs, pairs])), "one twice"),
        (lambda made, pairs: (made, pairs.assign(item=["a", "b", "a"])), "one item; got 'a', 'b'"),
    ],
)
def test_what_is_no_item_in_several_languages_is_refused(change, message):
    made, pairs = change(*parallel())
    with pytest.raises(ValueError, match=message):
        render.side_by_side(made, pairs=pairs)


def test_silent_untrained_and_single_texts_are_drawn_side_by_side():
    assert "No word has an effect on any" in render.side_by_side(parallel(scores=np.zeros(8))[0])
    assert "<b>Untrained.</b>" in render.side_by_side(parallel(trained=False)[0])
    made = with_premise("मीठा", [(0, 4)], hypothesis=None, hypothesis_language=None, premise_language="hi")
    pairs = pd.DataFrame({"pair_id": ["p1"], "english_text": ["sweet"]})
    html = render.side_by_side([made], pairs=pairs)
    assert read(html).sentences == ["मीठा"]
    assert '<p lang="en" dir="ltr">sweet</p>' in html


def test_a_page_side_by_side_fetches_nothing_and_names_the_model():
    html = render.side_by_side_page(parallel()[0])
    read(html)
    assert "default-src 'none'" in html
    assert "http:" not in html
    assert "<dt>model.source</dt><dd>tiny</dd>" in html
    assert "one item in 3 languages" in html
