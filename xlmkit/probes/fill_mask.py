"""Fill-mask: what the language model predicts at a mask, under each language id.

One mask stands for one token, as in pre-training (Devlin et al. 2019; Lample and Conneau 2019,
section 3.3). Many words are several tokens long; a token whose name ends in `</w>` ends a word.
XLM's mask is id 5, `<special1>` (`mask_index` in its configuration); `mask_token_id` there is a
default of transformers and means something else."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from xlmkit import forward
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.probes.language_ids import NONE, check_has_language_ids, resolve_ids
from xlmkit.tokenization import EOS, MASK, split_words

MASK_TEXT = "<mask>"
_PLACEHOLDER = "xlmkitmaskedtoken"  # a word that no script splits, for the mask while the text is tokenized


def fill_mask(
    nli: NLIModel, text: str, language: str, *, ids: Sequence[str] | None = None, top_k: int = 5
) -> pd.DataFrame:
    """Find the most likely tokens at each mask of a text, under each language id.

    Parameters
    ----------
    nli : a language model: load(..., task="mlm").
    text : with one or more `<mask>`. Predictions for several masks are independent of one another.
    language : of the text, which decides how it is tokenized, whatever the id.
    ids : codes, or "none"; None: all ids of the model, and none.
    top_k : tokens per mask.

    Returns
    -------
    One row per id, mask and token: `id`, `place` (which mask of the text, from 1), `rank` (from 1),
    `piece` (the token, with `</w>` at the end of a word), `text` (without it), `ends_word`,
    `probability` in [0, 1] over the whole vocabulary.

    Raises
    ------
    ValueError : if the model is not a language model or has no language ids, the text has no mask
        or is too long, or an option is out of range."""
    check_has_language_ids(nli)
    if nli.task != "mlm":
        raise ValueError(
            f"expected a language model; got task {nli.task!r}. Use load(source, task='mlm') with a checkpoint "
            "from before fine-tuning, such as FacebookAI/xlm-mlm-xnli15-1024."
        )
    check_int("top_k", top_k, 1, len(nli.tokenizer))
    names = resolve_ids(nli, ids)
    input_ids = torch.tensor([masked_ids(nli, text, resolve(language))])  # (1, T)
    rows = []
    for name in names:
        langs = torch.full_like(input_ids, 0 if name == NONE else nli.lang2id[name])
        encoding = Encoding(input_ids, langs, torch.ones_like(input_ids), ((0,),))
        best = mask_logits(nli, encoding, language_ids=name != NONE).softmax(-1).topk(top_k, dim=1)
        for place, (values, tokens) in enumerate(zip(*map(torch.Tensor.tolist, best), strict=True), 1):
            for rank, (value, token) in enumerate(zip(values, tokens, strict=True), 1):
                rows.append((name, place, rank, nli.tokenizer.name(token), value))
    result = pd.DataFrame(rows, columns=["id", "place", "rank", "piece", "probability"])
    result.insert(4, "text", [piece.removesuffix("</w>") for piece in result["piece"]])
    result.insert(5, "ends_word", result["piece"].str.endswith("</w>"))
    return result


def mask_id(nli: NLIModel) -> int:
    """The id of the mask: `mask_index` of the configuration, 5 in all XLM models."""
    return int(getattr(nli.network.config, "mask_index", MASK))


def mask_logits(nli: NLIModel, encoding: Encoding, *, language_ids: bool = True) -> torch.Tensor:
    """Logits of the language model at the M masks of a batch, row by row; `language_ids=False`
    leaves these out.

    Returns
    -------
    (M, tokens of the vocabulary) float32 on the CPU."""
    mask = encoding.attention_mask
    ids, langs, real = (tensor.to(nli.device) for tensor in (encoding.input_ids, encoding.langs, mask))
    places = ids[real.bool()] == mask_id(nli)  # (R,) of the real tokens, row by row
    with torch.inference_mode():
        states = forward.all_layers(nli.network, ids, langs if language_ids else None, real)[-1]  # (R, H)
        logits = nli.network.pred_layer(states[places])[0]
    return logits.float().cpu()


def masked_ids(nli: NLIModel, text: str, language: str) -> list[int]:
    """The ids of `</s> text </s>`, with the mask's id for each `<mask>`.

    Raises
    ------
    TypeError, ValueError : if this is not a text with a mask, or it is too long."""
    if not isinstance(text, str):
        raise TypeError(f"expected a text with {MASK_TEXT}; got {text!r} of type {type(text).__name__}")
    n_masks = text.count(MASK_TEXT)
    if not n_masks:
        raise ValueError(f"expected {MASK_TEXT} in the text, where a token is to be predicted; got {text!r}")
    spaced = text.replace(MASK_TEXT, f" {_PLACEHOLDER} ")
    words = [word.text for word in split_words(spaced, language, lowercase=nli.lowercase)]
    if words.count(_PLACEHOLDER) != n_masks:
        raise ValueError(f"expected {MASK_TEXT} as a word of its own; got {text!r}. Put spaces around it.")
    ids = [
        id
        for word, tokens in zip(words, nli.tokenizer.ids(words), strict=True)
        for id in ([mask_id(nli)] if word == _PLACEHOLDER else tokens)
    ]
    if len(ids) + 2 > nli.max_positions:
        raise ValueError(
            f"expected a text of at most {nli.max_positions} tokens, `max_positions` of the model; got {len(ids) + 2}. "
            "Shorten it."
        )
    return [EOS, *ids, EOS]
