"""Classifying: zero-shot classification asks whether a text entails "the topic of this text is ..." (Yin et al. 2019, arXiv:1909.00161)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.inference.feeding import need_head
from xlmkit.inference.predicting import logits_of_frame, provenance, softmax
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs

TEMPLATES: dict[str, str] = {
    "ar": "موضوع هذا النص هو {}.",
    "bg": "Темата на този текст е {}.",
    "de": "Das Thema dieses Textes ist {}.",
    "el": "Το θέμα αυτού του κειμένου είναι {}.",
    "en": "The topic of this text is {}.",
    "es": "El tema de este texto es {}.",
    "fr": "Le sujet de ce texte est {}.",
    "hi": "इस पाठ का विषय {} है।",
    "ru": "Тема этого текста — {}.",
    "sw": "Mada ya maandishi haya ni {}.",
    "th": "หัวข้อของข้อความนี้คือ{}",
    "tr": "Bu metnin konusu {}.",
    "ur": "اس متن کا موضوع {} ہے۔",
    "vi": "Chủ đề của văn bản này là {}.",
    "zh": "这段文字的主题是{}。",
}
"""The hypothesis of zero-shot classification in each language; `{}` takes the label, in a place that asks for no inflection."""


def classify(
    nli: NLIModel,
    texts: str | Sequence[str],
    labels: Sequence[str],
    language: str | Sequence[str],
    *,
    template: str | None = None,
    multi_label: bool = False,
    batch_tokens: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Zero-shot classification: which of `labels` does each text entail?

    Parameters
    ----------
    labels : the candidates, in words of the text's language ("sport", "politics").
    language : code of all texts, or one a text.
    template : a hypothesis with `{}` for the label; None takes `TEMPLATES` of the text's language.
    multi_label : False: the probabilities of a text sum to 1 (softmax of the entailment logits over the labels). True: each label is
        judged alone (entailment against contradiction).

    Returns
    -------
    One row a text: `text`, `language`, `prediction` (the best), and `p_<label>` in [0, 1] for each candidate.

    Raises
    ------
    ValueError : if there are no labels, labels repeat, the template has no `{}`, or the model's labels lack entailment."""
    texts = [texts] if isinstance(texts, str) else list(texts)
    languages = [
        resolve(code) for code in ([language] * len(texts) if isinstance(language, str) else language)
    ]
    _check_candidates(nli, texts, labels, languages, template, multi_label)
    frame = _hypotheses(texts, labels, languages, template)
    found, _ = logits_of_frame(nli, frame, batch_tokens, 256, 0, progress)
    entailment = found[:, nli.labels.index("entailment")]
    if multi_label:
        against = found[:, nli.labels.index("contradiction")]
        chances = softmax(np.stack([against, entailment], 1))[:, 1].reshape(len(texts), len(labels))
    else:
        chances = softmax(entailment.reshape(len(texts), len(labels)))
    result = pd.DataFrame({"text": texts, "language": languages})
    result["prediction"] = np.array(labels, dtype=object)[chances.argmax(1)]
    for column, label in enumerate(labels):
        result[f"p_{label}"] = chances[:, column]
    if not nli.trained:
        result["untrained"] = True
    result.attrs["provenance"] = provenance(
        nli, "classify", {"template": template, "multi_label": multi_label}
    )
    return result


def _check_candidates(
    nli: NLIModel,
    texts: Sequence[str],
    labels: Sequence[str],
    languages: Sequence[str],
    template: str | None,
    multi_label: bool,
) -> None:
    need_head(nli)
    needed = {"entailment", "contradiction"} if multi_label else {"entailment"}
    if not needed <= set(nli.labels):
        raise ValueError(
            f"zero-shot classification needs an NLI model with the labels {sorted(needed)}; got one with {nli.labels!r}; "
            "remedy: load one, or `predict` with this model's own labels"
        )
    named = not isinstance(labels, str) and all(isinstance(label, str) and label.strip() for label in labels)
    if not named or not labels or len(set(labels)) != len(labels):
        raise ValueError(f"`labels` must be one or more different names; got {labels!r}")
    if len(languages) != len(texts):
        raise ValueError(
            f"`language` needs one code for all texts or one a text; got {len(languages)} for {len(texts)}"
        )
    if template is not None and "{}" not in template:
        raise ValueError(f"`template` must hold {{}} where the label goes; got {template!r}")


def _hypotheses(
    texts: list[str], labels: Sequence[str], languages: list[str], template: str | None
) -> pd.DataFrame:
    """Each text with a hypothesis for each label; a faulty text is refused by its number."""
    hypotheses = [
        (template or TEMPLATES[code]).replace("{}", label) for code in languages for label in labels
    ]
    firsts = {"premise": texts, "hypothesis": hypotheses[:: len(labels)], "language": languages}
    check_pairs(pd.DataFrame(firsts, dtype=object))
    return pd.DataFrame(
        {
            "premise": [text for text in texts for _ in labels],
            "hypothesis": hypotheses,
            "language": [code for code in languages for _ in labels],
        },
        dtype=object,
    )
