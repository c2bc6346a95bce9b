"""Laws of the forward path: the numbers of transformers and of the authors' own code, whatever the batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import xlmkit as xk
from xlmkit import forward, inference
from xlmkit.encoding import Encoding, encode, word_numbers
from xlmkit.forward import network, products
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


def test_the_forward_path_can_be_switched_off(nli, monkeypatch):
    """Without the kit's own blocks, transformers' forward must be called, and only then."""
    encoding, off = encoded(nli), dataclasses.replace(nli, fused=False)
    given = forward.embed(nli, encoding.input_ids), encoding.langs, encoding.attention_mask
    calls, real = [], type(nli.network).forward
    monkeypatch.setattr(
        type(nli.network), "forward", lambda *each, **more: calls.append(1) or real(*each, **more)
    )
    on = forward.logits(nli, encoding), forward.logits_from_embeddings(nli, *given)
    assert not calls
    found = forward.logits(off, encoding), forward.logits_from_embeddings(off, *given)
    assert len(calls) == 2
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
    """Products by oneDNN wherever it works, then by torch, whatever is faster on this processor."""
    monkeypatch.setattr(
        torch.backends.cpu, "get_cpu_capability", lambda: "AVX512" if request.param else "AVX2"
    )
    if request.param:
        yield
    else:
        with torch.backends.mkldnn.flags(enabled=False):
            yield


class Operators:
    """torch.ops.mkldnn without some operators, or with others in their place."""

    def __init__(self, *missing, **others):
        self.missing, self.real = missing, torch.ops.mkldnn
        self.__dict__ |= others

    def __getattr__(self, name):
        if name in self.missing:
            raise AttributeError(name)
        return getattr(self.real, name)


def refuse(*_):
    raise RuntimeError("not on this machine")


def wrong(rows, weight, *_):
    return torch.zeros(len(rows), len(weight), dtype=rows.dtype)


@pytest.mark.parametrize("fault", [None, refuse, wrong], ids=["missing", "refused", "wrong"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_the_private_operator_of_torch_the_logits_are_the_same(nli, monkeypatch, fault, dtype):
    encoding, model = encoded(nli), dataclasses.replace(nli, dtype=dtype)
    name = "_linear_pointwise"
    others = Operators(name) if fault is None else Operators(**{name: fault})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    expected = forward.logits(model, encoding)
    monkeypatch.setattr(torch.ops, "mkldnn", others)
    fresh = dataclasses.replace(nli, dtype=dtype)
    assert torch.allclose(
        forward.logits(fresh, encoding), expected, atol=1e-5 if dtype == torch.float32 else 0.1
    )
    assert torch.allclose(expected, plain(nli, encoding), atol=1e-5 if dtype == torch.float32 else 0.1)


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
    packing = network.Packing.of(mask)
    rows = packing.pack(states)
    step = 32 if sum(lengths) > 256 else 8
    assert len(rows) % step == 0 or len(rows) == mask.numel()
    assert 0 <= len(rows) - sum(lengths) < step
    assert torch.equal(rows[: sum(lengths)], states[mask.bool()])
    assert torch.equal(rows[packing.first], states[:, 0])
    assert torch.equal(packing.unpack(rows)[mask.bool()], states[mask.bool()])


def transformers_states(nli, encoding, langs):
    with torch.no_grad():
        return nli.network.transformer(
            input_ids=encoding.input_ids,
            langs=langs,
            attention_mask=encoding.attention_mask,
            output_hidden_states=True,
        ).hidden_states


@pytest.mark.parametrize("budget", [1, 10_000])
def test_hidden_states_are_means_of_those_of_transformers(nli, budget):
    """By first position, by sentence and by word, whatever the batches."""
    texts = encode(nli, [*PAIRS[0]], None, PAIRS[2])
    states, lengths = transformers_states(nli, texts, texts.langs), texts.lengths
    for pool, part in (("first", lambda n: slice(0, 1)), ("sentence", lambda n: slice(1, n - 1))):
        found = forward.hidden_states(nli, texts, [0, 2], pool, budget=forward.Budget(budget))
        for row, length in enumerate(lengths):
            for own, layer in zip(found[row], (states[0], states[2]), strict=True):
                assert np.allclose(own, layer[row, part(length)].mean(0), atol=1e-5)
    pairs = encoded(nli)
    states, numbers = transformers_states(nli, pairs, pairs.langs), word_numbers(pairs)
    found = forward.hidden_states(nli, pairs, pool="words", budget=forward.Budget(budget))
    for row in range(len(pairs)):
        assert found[row].shape == (3, int(numbers[row].max()) + 1, 64)
        for word in range(found[row].shape[1]):
            for layer in range(3):
                expected = states[layer][row, numbers[row] == word].mean(0)
                assert np.allclose(found[row][layer, word], expected, atol=1e-5)


def test_hidden_states_without_language_ids_are_those_of_a_network_that_gets_none(nli):
    texts = encode(nli, [*PAIRS[0]], None, PAIRS[2])
    states = transformers_states(nli, texts, None)
    found = forward.hidden_states(nli, texts, [2], "first", language_ids=False)
    assert np.allclose(np.stack(found)[:, 0], states[2][:, 0], atol=1e-5)


@pytest.mark.parametrize("options", [{"pool": "mean"}, {"layers": [3]}, {"layers": []}, {"layers": [True]}])
def test_unknown_pools_and_layers_are_refused(nli, options):
    with pytest.raises(ValueError, match=next(iter(options)).removesuffix("s")):
        forward.hidden_states(nli, encoded(nli), **options)


# --- batches


@pytest.mark.parametrize("budget", [10, 100, 1000])
def test_full_batches_have_one_length_and_what_is_left_goes_longest_first(budget):
    lengths = np.random.default_rng(0).integers(5, 12, 300)
    found = [rows for rows, _ in forward.length_batches(lengths, forward.Budget(budget), len)]
    assert sorted(np.concatenate(found).tolist()) == list(range(300))
    assert all(len(rows) * lengths[rows].max() <= budget or len(rows) == 1 for rows in found)
    full = [len(set(lengths[rows])) == 1 and len(rows) >= budget // lengths[rows[0]] for rows in found]
    rest = [rows for rows, whole in zip(found, full, strict=True) if not whole]
    longest = [lengths[rows].max() for rows in rest]
    assert longest == sorted(longest, reverse=True)
    left = lengths[np.concatenate(rest)] if rest else np.empty(0)
    for length in range(5, 12):
        assert (left == length).sum() < max(2, 2 * (budget // length))


def test_an_input_that_takes_many_rows_of_a_pass_makes_smaller_batches():
    lengths, budget = np.full(10, 5), forward.Budget(100)  # 20 rows in one pass
    for copies, size in ((1, 10), (4, 5), (10, 2), (50, 1), (np.inf, 1)):
        sizes = [value for _, value in forward.length_batches(lengths, budget, len, copies=copies)]
        assert max(sizes) == size


@pytest.mark.filterwarnings("ignore::xlmkit.notices.XlmkitWarning")
@pytest.mark.parametrize("copies", [1, 3])
def test_out_of_memory_halves_this_batch_and_all_that_follow(copies):
    lengths, budget, failed = np.arange(1, 41), forward.Budget(10_000), []

    def small_machine(rows):
        size = len(rows) * copies * lengths[rows].max()
        if size > 100 and len(rows) > 1:
            failed.append(size)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return -rows

    found = dict(
        pair
        for rows, values in forward.length_batches(lengths, budget, small_machine, copies=copies)
        for pair in zip(rows.tolist(), values.tolist(), strict=True)
    )
    assert found == {row: -row for row in range(40)}
    assert failed
    assert failed == sorted(set(failed), reverse=True)
    assert budget.tokens < 200


def test_memory_for_not_even_one_row_and_other_errors_end_the_run():
    def fail(error):
        list(
            forward.length_batches(
                np.array([7]), forward.Budget(100), lambda rows: (_ for _ in ()).throw(error)
            )
        )

    with pytest.raises(MemoryError, match="max_length"):
        fail(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"))
    with pytest.raises(RuntimeError, match="shapes"):
        fail(RuntimeError("shapes do not fit"))


def test_labels_in_bf16_are_those_of_fp32_but_where_two_are_almost_equal():
    """On the embedded model; its own answers do not matter."""
    nli = xk.load(device="cpu", dtype="float32")
    pairs = xk.read_pairs("workshop").sample(60, random_state=0)
    encoding = inference.encode_frame(nli, pairs, max_length=256, spans=False)
    exact = inference.logits(nli, encoding)
    rounded = inference.logits(dataclasses.replace(nli, dtype=torch.bfloat16), encoding)
    other = exact.argmax(1) != rounded.argmax(1)
    best = np.sort(exact, axis=1)
    assert other.mean() <= 0.005
    assert (best[other, -1] - best[other, -2] < 0.05).all()
    assert np.abs(exact - rounded).max() < 0.1
