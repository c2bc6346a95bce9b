"""The authors' layout: `</s> premise </s> hypothesis </s>`, each position with its language id."""

from __future__ import annotations

import numpy as np
import torch

from xlmkit.encoding.language_ids import language_id
from xlmkit.encoding.sentences import Columns, refuse_wordless
from xlmkit.encoding.truncation import check_length, kept_of, specials_of
from xlmkit.encoding.value import Encoding
from xlmkit.model import NLIModel
from xlmkit.tokenization import BOS, EOS, PAD, Prepared, places


def lay_out(nli: NLIModel, columns: Columns, prepared: Prepared, *, max_length: int) -> Encoding:
    """`encode` without spans, of texts whose pieces are there.

    Parameters
    ----------
    prepared : of `columns.flat`.

    Raises
    ------
    ValueError : as `encode`."""
    check_length(nli, max_length, len(columns.texts))
    count = len(columns.texts[0])
    whole = prepared.sizes.reshape(len(columns.texts), count).T.astype(np.int64)  # (N, columns)
    refuse_wordless(columns.texts, whole.T.tolist())
    specials = specials_of(len(columns.texts))
    kept = whole.copy()
    for row in np.flatnonzero(whole.sum(1) > max_length - specials).tolist():
        kept[row] = kept_of(tuple(whole[row].tolist()), max_length - specials)
    lengths = kept.sum(1) + specials
    width = int(lengths.max(initial=0))
    mask = np.arange(width) < lengths[:, None]
    input_ids = np.full((count, width), PAD, dtype=np.int64)
    input_ids[:, :1] = BOS if nli.pair_format == "huggingface" else EOS
    rows, ends = np.arange(count), np.zeros(count, dtype=np.int64)
    starts = np.cumsum(prepared.sizes, dtype=np.int64) - prepared.sizes
    for side, sizes in enumerate(kept.T):
        ids = prepared.ids[places(starts[side * count : (side + 1) * count], sizes)]
        input_ids[np.repeat(rows, sizes), places(ends + 1, sizes)] = ids
        ends = ends + 1 + sizes
        input_ids[rows, ends] = EOS
    ids_of = {code: language_id(nli, code) for column in columns.codes for code in dict.fromkeys(column)}
    own = np.array([[ids_of[code] for code in column] for column in columns.codes], dtype=np.int64)
    langs = np.where(np.arange(width) <= kept[:, :1], own[0][:, None], own[-1][:, None])
    n_truncated = tuple(map(tuple, (whole - kept).tolist()))
    real = mask.astype(np.int64)
    return Encoding(torch.from_numpy(input_ids), torch.from_numpy(langs), torch.from_numpy(real), n_truncated)
