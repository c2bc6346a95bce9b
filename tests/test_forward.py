"""Laws of the forward path: the numbers of transformers and of the authors' own code, whatever the batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import xlmkit as xk
from xlmkit import forward, inference
from xlmkit.encoding import Encoding, encode
from xlmkit.forward import products
from xlmkit.tokenization import PAD

PAIRS = (
    [
        "The dog sleeps.",
        "Der Hund schläft nicht.",
        "वह आज नहीं सो रहा है।",
        "A man eats a book and a cat eats the dog.",
    ],
    ["No dog sleeps.", "Ein Hund schläft.", "The man is not in the book.", "Η γάτα κοιμάται."],
    ["en", "de", "hi", "en"],
)


def encoded(nli):
    return encode(nli, *PAIRS, hypothesis_languages=["en", "de", "en", "el"])


def plain(nli, encoding):
    with torch.no_grad():
        return nli.network(
            input_ids=encoding.input_ids, langs=encoding.langs, attention_mask=encoding.attention_mask
        ).logits


def test_the_logits_equal_those_of_transformers(nli):
    encoding = encoded(nli)
    assert torch.allclose(forward.logits(nli, encoding), plain(nli, encoding), atol=1e-5)


def test_padding_does_not_change_the_logits(nli):
    encoding = encoded(nli)
    together = forward.logits(nli, encoding)
    for row in range(len(encoding)):
        assert torch.allclose(forward.logits(nli, encoding.select([row]))[0], together[row], atol=1e-5)


def test_the_embedding_path_gives_the_same_logits_and_carries_gradients(nli):
    encoding = encoded(nli)
    embeddings = forward.embed(nli, encoding.input_ids).requires_grad_()
    found = forward.logits_from_embeddings(nli, embeddings, encoding.langs, encoding.attention_mask)
    assert torch.allclose(found, forward.logits(nli, encoding), atol=1e-5)
    (gradient,) = torch.autograd.grad(found.sum(), embeddings)
    assert gradient.abs().sum() > 0
    assert gradient[encoding.attention_mask == 0].abs().sum() == 0


def test_the_language_id_changes_the_logits(nli):
    right, wrong = (encode(nli, "The dog sleeps.", "No dog.", code) for code in ("en", "sw"))
    assert torch.equal(right.input_ids, wrong.input_ids)
    assert not torch.allclose(forward.logits(nli, right), forward.logits(nli, wrong), atol=1e-3)


def test_the_logits_equal_those_of_the_authors_own_code(authors):
    found = forward.logits(authors.nli, batch(authors.pairs))
    assert torch.allclose(found, torch.tensor([pair["logits"] for pair in authors.pairs]), atol=1e-5)
    for pair in authors.pairs:
        alone = forward.logits(authors.nli, batch([pair]))[0]
        assert torch.allclose(alone, torch.tensor(pair["logits"]), atol=1e-5)


def batch(pairs) -> Encoding:
    """The authors' ids as an encoding, padded by hand; the padding bears the hypothesis's language."""
    width = max(len(pair["input_ids"]) for pair in pairs)
    gaps = [width - len(pair["input_ids"]) for pair in pairs]
    return Encoding(
        torch.tensor([pair["input_ids"] + [PAD] * gap for pair, gap in zip(pairs, gaps, strict=True)]),
        torch.tensor(
            [pair["langs"] + pair["langs"][-1:] * gap for pair, gap in zip(pairs, gaps, strict=True)]
        ),
        torch.tensor([[1] * (width - gap) + [0] * gap for gap in gaps]),
        tuple((0, 0) for _ in pairs),
    )


def test_attention_probabilities_equal_those_of_transformers(tmp_path, nli):
    """transformers gives them in its eager form alone; its rows of padding are left out, ours are zero."""
    encoding = encoded(nli)
    nli.network.save_pretrained(tmp_path)
    eager = type(nli.network).from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        expected = eager(
            input_ids=encoding.input_ids,
            langs=encoding.langs,
            attention_mask=encoding.attention_mask,
            output_attentions=True,
        ).attentions
    found, real = forward.attentions(nli, encoding), encoding.attention_mask.bool()
    assert len(found) == len(expected) == nli.network.config.n_layers
    for own, other in zip(found, expected, strict=True):
        rows = real[:, None, :, None].expand_as(own)
        assert torch.allclose(own[rows], other[rows], atol=1e-5)
        assert own[~rows].abs().sum() == 0
        assert torch.allclose(own.sum(-1), real[:, None, :].expand(own.shape[:3]).float(), atol=1e-5)


def test_language_embeddings_given_as_vectors_are_those_added_by_id(nli):
    encoding = encoded(nli)
    words = forward.embed(nli, encoding.input_ids)
    both = words + forward.embed_languages(nli, encoding.langs)
    by_id = forward.logits_from_embeddings(nli, words, encoding.langs, encoding.attention_mask)
    assert torch.allclose(
        forward.logits_from_embeddings(nli, both, None, encoding.attention_mask), by_id, atol=1e-5
    )
    without = forward.logits_from_embeddings(nli, words, None, encoding.attention_mask)
    assert not torch.allclose(without, by_id, atol=1e-3)


def test_a_mask_of_one_row_is_refused_for_many_rows_of_embeddings(nli):
    encoding = encoded(nli)
    embeddings = forward.embed(nli, encoding.input_ids)
    one = encoding.attention_mask[:1]
    with pytest.raises(ValueError, match=r"`attention_mask`.*\(4, \d+\), got \(1, \d+\)"):
        forward.logits_from_embeddings(nli, embeddings, encoding.langs, one)
    with pytest.raises(ValueError, match="`langs`"):
        forward.logits_from_embeddings(nli, embeddings, encoding.langs[:1], encoding.attention_mask)


@pytest.fixture
def sums(monkeypatch):
    """How often the kit's own blocks were asked."""
    asked, real = [], forward.classify
    monkeypatch.setattr(forward, "classify", lambda *given, **more: asked.append(1) or real(*given, **more))
    return asked


def test_the_forward_path_can_be_switched_off(nli, sums):
    encoding, off = encoded(nli), dataclasses.replace(nli, fused=False)
    embeddings = forward.embed(nli, encoding.input_ids)
    given = embeddings, encoding.langs, encoding.attention_mask
    found = forward.logits(off, encoding), forward.logits_from_embeddings(off, *given)
    assert not sums
    on = forward.logits(nli, encoding), forward.logits_from_embeddings(nli, *given)
    assert len(sums) == 2
    for own, other in zip(on, found, strict=True):
        assert torch.allclose(own, other, atol=1e-5)


def blocks(dtype, *, width=(40, 24)):
    """A linear layer with frozen weights, and some rows for it."""
    generator = torch.Generator().manual_seed(1)
    block = torch.nn.Linear(*width).requires_grad_(False)
    block.weight.copy_(torch.randn(block.weight.shape, generator=generator))
    block.bias.copy_(torch.randn(block.bias.shape, generator=generator) / width[0] ** 0.5)
    return block.to(dtype), torch.randn(7, width[0], generator=generator).to(dtype)


@pytest.fixture(params=[True, False], ids=["oneDNN", "torch"])
def either_way(request, monkeypatch):
    """Products by oneDNN wherever it works, then by torch, whatever pays on this processor."""
    monkeypatch.setattr(products, "_pays", lambda dtype: request.param)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.15)])
def test_products_are_those_of_torch(dtype, tolerance):
    block, rows = blocks(dtype)
    expected = block.float()(rows.float())
    block.to(dtype)
    assert torch.allclose(products.linear(block, rows).float(), expected, atol=tolerance)
    gelu = torch.nn.functional.gelu(expected)
    assert torch.allclose(products.linear_gelu(block, rows).float(), gelu, atol=tolerance)


def test_weights_that_were_changed_or_exchanged_are_used_at_once():
    block, rows = blocks(torch.bfloat16)
    for change in (lambda: block.weight.mul_(2), lambda: setattr(block, "weight", frozen(block.weight * 3))):
        before = products.linear_gelu(block, rows)
        change()
        found = products.linear_gelu(block, rows)
        assert not torch.allclose(found, before)
        expected = torch.nn.functional.gelu(block(rows).float())
        assert torch.allclose(found.float(), expected, atol=0.02, rtol=0.02)


def frozen(tensor):
    return torch.nn.Parameter(tensor, requires_grad=False)


@pytest.mark.usefixtures("either_way")
def test_products_carry_first_and_second_gradients():
    block, rows = blocks(torch.float32)
    for each in (block.weight, block.bias, rows):
        each.abs_()  # sums in which nothing cancels, so that rounding stays small beside them

    def gradients(function):
        given = rows.clone().requires_grad_()
        (first,) = torch.autograd.grad((function(given) ** 3).sum(), given, create_graph=True)
        return first, torch.autograd.grad(first.square().sum(), given)[0]

    for own, other in zip(gradients(lambda x: products.linear(block, x)), gradients(block), strict=True):
        assert torch.allclose(own, other, rtol=1e-4)


def test_weights_that_learn_get_their_gradients():
    block, rows = blocks(torch.float32)
    block.requires_grad_(True)
    products.linear(block, rows).sum().backward()
    assert torch.allclose(block.weight.grad, rows.sum(0).expand_as(block.weight), atol=1e-5)


@pytest.mark.usefixtures("either_way")
def test_both_ways_to_multiply_give_the_logits_of_transformers(nli):
    encoding = encoded(nli)
    assert torch.allclose(forward.logits(nli, encoding), plain(nli, encoding), atol=1e-5)


@pytest.mark.filterwarnings("ignore:TF32")
def test_without_onednn_the_numbers_are_the_same(nli):
    encoding = encoded(nli)
    with torch.backends.mkldnn.flags(enabled=False):
        found = forward.logits(nli, encoding)
    assert torch.allclose(found, forward.logits(nli, encoding), atol=1e-5)


@pytest.mark.parametrize("lengths", [[5, 5, 5], [3, 8, 1], [32], [16, 16], [48], [100, 100, 90]])
def test_packed_tokens_come_back_to_their_places(lengths):
    width = max(lengths)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    states = torch.arange(mask.numel() * 2.0).reshape(*mask.shape, 2) + 1
    layout = forward.Layout.of(mask)
    rows = layout.pack(states)
    alike = 32 if sum(lengths) > 256 else 8
    assert len(rows) % alike == 0 or len(rows) == mask.numel()
    assert 0 <= len(rows) - sum(lengths) < alike
    assert torch.equal(rows[: sum(lengths)], states[mask.bool()])
    assert torch.equal(rows[layout.first], states[:, 0])
    assert torch.equal(layout.spread(rows)[mask.bool()], states[mask.bool()])


def test_labels_in_bf16_are_those_of_fp32_but_where_two_are_almost_equal():
    """On the embedded model; its own answers do not matter."""
    nli = xk.load(device="cpu", dtype="float32")
    pairs = xk.read_pairs("workshop").sample(210, random_state=0)
    encoding = inference.encode_frame(nli, pairs, max_length=256, spans=False)
    exact = inference.logits(nli, encoding)
    rounded = inference.logits(dataclasses.replace(nli, dtype=torch.bfloat16), encoding)
    other = exact.argmax(1) != rounded.argmax(1)
    best = np.sort(exact, axis=1)
    assert other.mean() <= 0.005
    assert (best[other, -1] - best[other, -2] < 0.05).all()
