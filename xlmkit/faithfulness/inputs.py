"""What explanations were made of: the same inputs encoded again, and randomness that belongs to each."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from xlmkit.checks import check_int
from xlmkit.encoding import Encoding, encode
from xlmkit.explanation import Explanation
from xlmkit.inference import need_head
from xlmkit.model import NLIModel

MAX_TOKENS = 256  # of `explain`, where an explanation does not say
SAME = 0.02  # logits by which a model may miss the output that an explanation says it has


def check_explanations(
    nli: NLIModel | None, explanations: Explanation | Sequence[Explanation]
) -> list[Explanation]:
    """The explanations as a list; with a model, they must be about its labels.

    Raises
    ------
    TypeError : if one is no explanation.
    ValueError : if a label is not the model's."""
    found = [explanations] if isinstance(explanations, Explanation) else list(explanations)
    for one in found:
        if not isinstance(one, Explanation):
            raise TypeError(
                f"expected explanations, got {type(one).__name__}; remedy: explain(nli, pairs, ...)"
            )
    if nli is None:
        return found
    need_head(nli)
    for one in found:
        for name in (one.target, one.contrast):
            if name is not None and name not in nli.labels:
                raise ValueError(
                    f"pair {one.pair_id!r} is explained for the label {name!r}; the model has {', '.join(nli.labels)}; "
                    "remedy: judge it with the model that was explained"
                )
    return found


def by_input(explanations: Sequence[Explanation]) -> list[list[int]]:
    """Places of explanations that are of the same input, in order of the first."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, one in enumerate(explanations):
        groups.setdefault(_input(one), []).append(number)
    return list(groups.values())


def encode_explained(nli: NLIModel, explanations: Sequence[Explanation]) -> Encoding:
    """The inputs of explanations, one row each, as the model takes them.

    Raises
    ------
    ValueError : if they were made with different `max_length`, or this model cuts an input into other tokens."""
    lengths = {max_length(one) for one in explanations}
    if len(lengths) > 1:
        raise ValueError(
            f"expected explanations that were made with one `max_length`; got {sorted(lengths)}; remedy: judge them apart"
        )
    single = explanations[0].hypothesis is None
    encoding = encode(
        nli,
        [one.premise for one in explanations],
        None if single else [one.hypothesis or "" for one in explanations],
        [one.premise_language for one in explanations],
        hypothesis_languages=None if single else [one.hypothesis_language or "" for one in explanations],
        max_length=lengths.pop(),
    )
    for one, tokens in zip(explanations, encoding.tokens or (), strict=True):
        if [token.text for token in tokens] != [token.text for token in one.tokens]:
            raise ValueError(
                f"pair {one.pair_id!r} reaches this model in other tokens than its explanation names; "
                "remedy: judge it with the model that was explained"
            )
    return encoding


def max_length(explanation: Explanation) -> int:
    """The longest pair that `explain` was allowed when it made this."""
    settings = explanation.provenance.get("settings") or {}
    return int(settings.get("max_length") or MAX_TOKENS)


def generator(explanation: Explanation, seed: int, purpose: int = 0) -> np.random.Generator:
    """Randomness that depends on the pair's texts and the seed alone, so that one pair alone gives what it gives among others.

    `purpose` tells streams apart that must not depend on each other.

    Raises
    ------
    ValueError : if `seed` is no whole number from 0."""
    check_int("seed", seed, 0)
    key = "\0".join(map(str, _input(explanation))).encode("utf-8", "surrogatepass")
    return np.random.default_rng([int(seed), zlib.crc32(key), purpose])


def random_orders(explanation: Explanation, controls: int, seed: int) -> np.ndarray:
    """(controls, W) random orders of the words, the same for every explanation of one pair.

    Raises
    ------
    ValueError : if `controls` is no whole number from 1, or `seed` none from 0."""
    check_int("controls", controls, 1)
    order = np.arange(len(explanation.words))
    return generator(explanation, seed).permuted(np.tile(order, (controls, 1)), axis=1)


def explained_logit(nli: NLIModel, explanation: Explanation, logits: np.ndarray) -> np.ndarray:
    """(K, labels) -> (K,) float64, the F that is explained: the target's logit, minus the contrast's where there is one."""
    values = logits.astype(np.float64)
    own = values[:, nli.labels.index(explanation.target)]
    return own if explanation.contrast is None else own - values[:, nli.labels.index(explanation.contrast)]


def check_same_model(explanation: Explanation, output: float) -> None:
    """Refuse an explanation of another model: F of the whole input is not what it says."""
    if abs(output - explanation.output) > SAME:
        raise ValueError(
            f"this model gives pair {explanation.pair_id!r} the output {output:.3f}, its explanation says {explanation.output:.3f} logits; "
            "remedy: judge it with the model that was explained"
        )


def _input(explanation: Explanation) -> tuple[object, ...]:
    return (
        explanation.premise,
        explanation.hypothesis,
        explanation.premise_language,
        explanation.hypothesis_language,
    )
