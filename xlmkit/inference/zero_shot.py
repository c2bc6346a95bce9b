"""Zero-shot classification: which of some labels does a text entail, as in "The topic of this text
is politics." (Yin et al. 2019, arXiv:1909.00161)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from xlmkit.inference.predict import logits_of_frame, need_head, provenance
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs

HYPOTHESIS_TEMPLATES: dict[str, str] = {
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
"""The hypothesis in each language; `{}` takes the label, in a position that requires no
inflection."""


def zero_shot(
    nli: NLIModel,
    texts: str | Sequence[str],
    labels: Sequence[str],
    language: str | Sequence[str],
    *,
    hypothesis_template: str | None = None,
    multi_label: bool = False,
    batch_tokens: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Classify texts by labels that the model was not trained on: which of `labels` does each text
    entail?

    Parameters
    ----------
    texts : N texts, or one.
    labels : the candidates, in words of the text's language ("sport", "politics").
    language : the code of all texts, or one code per text.
    hypothesis_template : a hypothesis with `{}` for the label; None takes `HYPOTHESIS_TEMPLATES` in
        the text's language.
    multi_label : False: the probabilities of a text sum to 1 (softmax of the entailment logits over
        the labels). True: each label is scored alone (entailment against contradiction).
    batch_tokens, progress : as in `predict`.

    Returns
    -------
    One row per text: `text`, `language`, `prediction` (the best label), and `p_<label>` in [0, 1]
    for each candidate.

    Raises
    ------
    ValueError : if there are no labels, labels repeat, the template has no `{}`, or the model's
        labels lack entailment."""
    texts = [texts] if isinstance(texts, str) else list(texts)
    codes = [language] * len(texts) if isinstance(language, str) else language
    languages = [resolve(code) for code in codes]
    _check_arguments(nli, texts, labels, languages, hypothesis_template, multi_label)
    frame = _hypotheses(texts, labels, languages, hypothesis_template)
    logits, _ = logits_of_frame(nli, frame, batch_tokens=batch_tokens, max_length=256, progress=progress)
    logits = logits.astype(np.float64).reshape(
        len(texts), len(labels), len(nli.labels)
    )  # (N, candidates, NLI labels)
    entailment = logits[..., nli.labels.index("entailment")]
    if multi_label:
        contradiction = logits[..., nli.labels.index("contradiction")]
        probabilities = softmax(np.stack([contradiction, entailment]), axis=0)[1]
    else:
        probabilities = softmax(entailment, axis=1)
    result = pd.DataFrame({"text": texts, "language": languages})
    result["prediction"] = np.array(labels, dtype=object)[probabilities.argmax(1)]
    for column, label in enumerate(labels):
        result[f"p_{label}"] = probabilities[:, column]
    if not nli.trained:
        result["untrained"] = True
    settings = {"hypothesis_template": hypothesis_template, "multi_label": multi_label}
    result.attrs["provenance"] = provenance(nli, "zero_shot", settings)
    return result


def _check_arguments(
    nli: NLIModel,
    texts: Sequence[str],
    labels: Sequence[str],
    languages: Sequence[str],
    hypothesis_template: str | None,
    multi_label: bool,
) -> None:
    need_head(nli)
    needed = {"entailment", "contradiction"} if multi_label else {"entailment"}
    if not needed <= set(nli.labels):
        raise ValueError(
            f"zero-shot classification needs an NLI model with the labels {sorted(needed)}; got one with {nli.labels!r}. "
            "Load an NLI model, or use `predict` for this model's own labels."
        )
    named = not isinstance(labels, str) and all(isinstance(label, str) and label.strip() for label in labels)
    if not named or not labels or len(set(labels)) != len(labels):
        raise ValueError(f"`labels` must be one or more different names; got {labels!r}.")
    if len(languages) != len(texts):
        raise ValueError(
            f"`language` must be one code, or one code per text; got {len(languages)} for {len(texts)} texts."
        )
    if hypothesis_template is not None and "{}" not in hypothesis_template:
        raise ValueError(
            f"`hypothesis_template` must contain {{}} for the label; got {hypothesis_template!r}."
        )


def _hypotheses(
    texts: list[str], labels: Sequence[str], languages: list[str], hypothesis_template: str | None
) -> pd.DataFrame:
    """Each text with one hypothesis per label; faulty texts are refused by their number."""
    hypotheses = [
        (hypothesis_template or HYPOTHESIS_TEMPLATES[code]).replace("{}", label)
        for code in languages
        for label in labels
    ]
    firsts = {"premise": texts, "hypothesis": hypotheses[:: len(labels)], "language": languages}
    check_pairs(pd.DataFrame(firsts, dtype=object))
    repeated = pd.DataFrame({"premise": texts, "language": languages}, dtype=object)
    repeated = repeated.loc[repeated.index.repeat(len(labels))].reset_index(drop=True)
    return repeated.assign(hypothesis=pd.Series(hypotheses, dtype=object))
