"""Fill-mask: what the language model puts in the place of a mask, under each language id.

One mask stands for one piece, as in pre-training (Devlin et al. 2019; Lample and Conneau 2019, section 3.3); many words are several pieces long,
and a piece whose name ends in `</w>` closes a word. XLM's mask is id 5, `<special1>` (`mask_index` of its configuration); `mask_token_id` there is a
default of transformers' and something else."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from xlmkit import forward
from xlmkit.checks import check_int
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.probes.ids import NONE, checked_ids, need_language_ids
from xlmkit.tokenization import EOS, MASK, split_words

SIGN = "<mask>"
_STAND_IN = "xlmkitmaskedpiece"  # a word that no script splits, in place of the mask while the text is cut


def fill_mask(
    nli: NLIModel,
    text: str,
    language: str,
    *,
    ids: Sequence[str] | None = None,
    top: int = 5,
) -> pd.DataFrame:
    """The most likely pieces at each mask of a text, under each language id.

    Parameters
    ----------
    nli : a language model: load(..., task="mlm").
    text : with `<mask>` where a piece is to be guessed, once or several times. Guesses are independent of one another.
    language : of the text, which decides how it is cut, whatever the id.
    ids : codes, or "none"; None: all of the model's, and none.
    top : pieces a mask.

    Returns
    -------
    One row an id, mask and guess: `id`, `place` (of the mask in the text, from 1), `rank` (from 1), `piece` (ending in `</w>` where it closes a
    word), `text` (without that), `ends_word`, `probability` in [0, 1] over the whole vocabulary.

    Raises
    ------
    ValueError : if the model is no language model or has no language ids, there is no mask or the text is too long, or an option is wrong."""
    need_language_ids(nli)
    if nli.task != "mlm":
        raise ValueError(
            f"expected a language model; got task {nli.task!r}; remedy: load(source, task='mlm') of a checkpoint from before fine-tuning, such "
            "as FacebookAI/xlm-mlm-xnli15-1024"
        )
    check_int("top", top, 1, len(nli.tokenizer))
    names = checked_ids(nli, ids)
    input_ids = torch.tensor(_masked_ids(nli, text, resolve(language)))  # (T,)
    places = (input_ids == mask_id(nli)).nonzero().flatten()
    rows = []
    for name in names:
        chances = _chances(nli, input_ids, name)[places]  # (masks, pieces)
        best = chances.topk(top, dim=1)
        for place, (values, numbers) in enumerate(
            zip(best.values.tolist(), best.indices.tolist(), strict=True), 1
        ):
            for rank, (value, number) in enumerate(zip(values, numbers, strict=True), 1):
                piece = nli.tokenizer.name(number)
                guess = {
                    "piece": piece,
                    "text": piece.removesuffix("</w>"),
                    "ends_word": piece.endswith("</w>"),
                }
                rows.append({"id": name, "place": place, "rank": rank, **guess, "probability": value})
    return pd.DataFrame(rows)


def mask_id(nli: NLIModel) -> int:
    """The id of the mask piece: `mask_index` of the configuration, 5 in all of XLM's."""
    return int(getattr(nli.network.config, "mask_index", MASK))


def _masked_ids(nli: NLIModel, text: str, language: str) -> list[int]:
    """`</s> text </s>` with the mask's id in each mask's place."""
    if not isinstance(text, str):
        raise TypeError(f"expected text with {SIGN}, got {text!r} of type {type(text).__name__}")
    masks = text.count(SIGN)
    if not masks:
        raise ValueError(f"expected {SIGN} in the text, where a piece is to be guessed; got {text!r}")
    words = [
        word.text
        for word in split_words(text.replace(SIGN, f" {_STAND_IN} "), language, lowercase=nli.lowercase)
    ]
    if words.count(_STAND_IN) != masks:
        raise ValueError(f"expected {SIGN} as a word of its own; got {text!r}; remedy: put spaces around it")
    found = [EOS]
    for word, pieces in zip(words, nli.tokenizer.ids(words), strict=True):
        found += [mask_id(nli)] if word == _STAND_IN else pieces
    found.append(EOS)
    if len(found) > nli.max_positions:
        raise ValueError(
            f"the text has {len(found)} tokens, and the model takes {nli.max_positions}; remedy: a shorter text"
        )
    return found


def _chances(nli: NLIModel, input_ids: torch.Tensor, name: str) -> torch.Tensor:
    """(T, pieces) probabilities."""
    ids = input_ids[None].to(nli.device)
    langs = None if name == NONE else torch.full_like(ids, nli.lang2id[name])
    with torch.inference_mode():
        states = forward.all_layers(nli.network, ids, langs, torch.ones_like(ids))[-1]
        return nli.network.pred_layer(states)[0].float().softmax(-1).cpu()
