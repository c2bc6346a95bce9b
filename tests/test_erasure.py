"""Laws of erasure: exactly the named words go, in the space of ids, and all else stays."""

from __future__ import annotations

import pytest
import torch

from xlmkit import forward
from xlmkit.encoding import WAYS, encode, erase, word_counts, word_numbers
from xlmkit.tokenization import EOS, MASK, PAD

PAIRS = (
    ["The man sleeps today.", "Der Hund schläft nicht.", "แมวไม่นอน"],
    ["No dog.", "Ein Mann.", "今天下雨。"],
    ["en", "de", "th"],
)


@pytest.fixture(scope="module")
def encoding(nli):
    return encode(nli, *PAIRS, hypothesis_languages=["en", "de", "zh"])


def test_words_are_counted_through_both_sentences(encoding):
    numbers = word_numbers(encoding)
    for row, tokens in enumerate(encoding.tokens):
        seen = [(token.sentence, token.word) for token in tokens if not token.special]
        own = [number for number in numbers[row].tolist() if number >= 0]
        assert (
            sorted(set(own)) == list(range(word_counts(encoding)[row])) == sorted(own[i] for i in first(seen))
        )
        assert (numbers[row] >= 0).sum() == len(seen)
        assert set(numbers[row, len(tokens) :].tolist()) <= {-1}


def first(seen):
    return [seen.index(key) for key in dict.fromkeys(seen)]


@pytest.mark.parametrize(("how", "id"), [("mask", MASK), ("pad", PAD)])
def test_mask_and_pad_change_the_ids_of_the_named_words_and_nothing_else(encoding, how, id):
    words = [[0, 4], [], [1]]
    erased, numbers = erase(encoding, words, how), word_numbers(encoding)
    for row, chosen in enumerate(words):
        named = torch.isin(numbers[row], torch.tensor(chosen, dtype=torch.int64))
        assert named.any() == bool(chosen)
        assert set(erased.input_ids[row][named].tolist()) <= {id}
        assert torch.equal(erased.input_ids[row][~named], encoding.input_ids[row][~named])
    for same in ("langs", "attention_mask"):
        assert torch.equal(getattr(erased, same), getattr(encoding, same))
    assert torch.equal(word_numbers(erased), numbers)
    assert {t.text for t in erased.tokens[0] if t.sentence == 0 and t.word == 0} == {
        "<special1>" if how == "mask" else "<pad>"
    }


def test_deletion_is_the_encoding_of_the_text_without_the_word(nli):
    """A text whose words are cut the same way without the word gives the same ids by the ordinary way."""
    languages = {"languages": PAIRS[2], "hypothesis_languages": ["sw", "en", "zh"]}
    encoding = encode(nli, *PAIRS[:2], **languages)
    erased = erase(encoding, [[1], [3], []], "delete")
    plain = encode(nli, ["The sleeps today.", "Der Hund schläft .", PAIRS[0][2]], list(PAIRS[1]), **languages)
    width = erased.input_ids.shape[1]
    for name in ("input_ids", "langs", "attention_mask"):
        assert torch.equal(getattr(erased, name), getattr(plain, name)[:, :width])
    assert [len(tokens) for tokens in erased.tokens] == erased.lengths.tolist()
    assert word_counts(erased).tolist() == (word_counts(encoding) - [1, 1, 0]).tolist()


@pytest.mark.parametrize("how", WAYS)
def test_no_way_touches_special_tokens_even_where_all_words_go(encoding, how):
    erased = erase(encoding, [range(count) for count in word_counts(encoding)], how)
    for row in range(len(encoding)):
        real = erased.attention_mask[row].bool()
        special = word_numbers(erased)[row][real] < 0
        assert special.sum() == 3
        assert erased.input_ids[row][real][special].tolist() == [EOS] * 3
    if how == "delete":
        assert erased.input_ids.shape == (3, 3)


@pytest.mark.parametrize("how", WAYS)
def test_the_logits_of_an_erased_pair_do_not_depend_on_its_neighbours(nli, encoding, how):
    words = [[0, 1, 2], [], [1]]
    together = forward.logits(nli, erase(encoding, words, how))
    for row, chosen in enumerate(words):
        alone = forward.logits(nli, erase(encoding.select([row]), [chosen], how))
        assert torch.allclose(alone[0], together[row], atol=1e-5)


def test_nothing_erased_is_the_same_and_the_given_encoding_stays(nli, encoding):
    before = encoding.input_ids.clone()
    for how in WAYS:
        same = erase(encoding, [[], [], []], how)
        assert torch.equal(same.input_ids, encoding.input_ids)
        assert same.tokens == encoding.tokens
        erase(encoding, [[0], [0], [0]], how)
        assert torch.equal(encoding.input_ids, before)


def test_single_texts_are_erased_too(topics):
    encoding = encode(topics, ["The dog sleeps."], None, "en")
    assert (
        erase(encoding, [[1]], "delete").lengths[0]
        == encoding.lengths[0] - (word_numbers(encoding) == 1).sum()
    )


@pytest.mark.parametrize(
    ("words", "how", "message"),
    [
        ([[0], [0]], "mask", "got 2 for 3"),
        ([[0], [0], [99]], "mask", "the words of pair 2; got 99"),
        ([[-1], [], []], "pad", "got -1"),
        ([[1.5], [], []], "pad", "got 1.5"),
        ([[True], [], []], "pad", "got True"),
        ([[0], [0], [0]], "unknown", "`how`.*'unknown'"),
    ],
)
def test_what_cannot_be_erased_is_refused_by_name(encoding, words, how, message):
    with pytest.raises(ValueError, match=message):
        erase(encoding, words, how)


def test_an_encoding_without_spans_is_refused(nli):
    bare = encode(nli, *PAIRS, hypothesis_languages=["en", "de", "zh"], spans=False)
    with pytest.raises(ValueError, match="spans=True"):
        erase(bare, [[], [], []])
