"""Random attributions: the control. A measure on which a method does no better than these says nothing for the method."""

from __future__ import annotations

import numpy as np
import torch

from xlmkit.attribution.batch import Attributed, Batch, shared_out


def random(batch: Batch, seed: int) -> Attributed:
    """A standard normal number a word, the same for a pair wherever it stands; it depends on no label."""
    words = batch.words.cpu().numpy()  # (B, T)
    values = np.zeros(words.shape, dtype=np.float32)
    for row, source in enumerate(batch.generators(seed)):
        numbers = np.append(0.0, source.standard_normal(words[row].max()))  # place 0 is no word
        values[row] = numbers[words[row]]
    return Attributed(shared_out(batch.words, torch.from_numpy(values).to(batch.words.device)))
