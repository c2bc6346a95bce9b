"""Checks for the notebook `01_explore_predictions`: agreement across languages, how many items an interval needs, three labels for one premise."""

from __future__ import annotations

import pandas as pd

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.stats import wilson


@exercise("01.1", wants="a whole number of items")
def one_label(answer: object, *, preds: pd.DataFrame) -> str:
    """How many items get the same label in all languages?"""
    given = answers.whole_number(answer)
    items = preds.groupby("item")
    same, right = items["prediction"].nunique() == 1, items["correct"].all()
    truth, languages = int(same.sum()), preds["language"].nunique()
    if given == truth:
        return f"{truth} of {len(same)} items have one label in all {languages} languages; on {int(right.sum())} of them it is the right one."
    reasons = {
        int(preds["item"].isin(same[same].index).sum()): "That counts pairs; the question is about items.",
        int(
            right.sum()
        ): "That counts items that are right in all languages; one label may also be wrong in all.",
        len(same) - truth: "So many items get different labels.",
    }
    too = "more" if given < truth else "fewer"
    raise NotYet(
        reasons.get(
            given,
            f"There are {too}: count the different labels of each item, and then the items that have one.",
        )
    )


@exercise("01.2", wants="a whole number of items")
def enough_items(answer: object, *, width: float) -> str:
    """How many items must a language have for the 95 % interval of an accuracy of 50 % to be no wider than this?"""
    given = answers.whole_number(answer)
    if given < 1:
        raise NotYet(f"{given} items are none.")
    low, high = wilson(0.5, given)
    said = f"With {given:,} items the interval reaches from {low:.1%} to {high:.1%}, which is {100 * (high - low):.1f} points"
    if high - low > 1.015 * width:  # 1.5 % more: Wilson's interval and the usual formula differ by that
        raise NotYet(f"{said}: more than {100 * width:g}. Half the width is about 1.96 · √(0.25 / n).")
    if high - low < 0.97 * width:
        raise NotYet(f"{said}: enough, but fewer items would do. Look for the smallest number.")
    return f"{said}. A workshop with 120 items leaves {_points(120)} points, XNLI's test set with 5,010 leaves {_points(5010)}."


def _points(n: int) -> str:
    low, high = wilson(0.5, n)
    return f"{100 * (high - low):.1f}"


@exercise(
    "01.3", wants="a hypothesis for each label: {'entailment': '…', 'neutral': '…', 'contradiction': '…'}"
)
def three_labels(answer: object, *, nli: NLIModel, premise: str, language: str) -> str:
    """For one premise, three hypotheses: one of which the model says entailment, one neutral, one contradiction."""
    if not isinstance(answer, dict):
        raise NotYet(f"Expected a hypothesis for each label, in braces; got {answers.said(answer)}.")
    texts = {answers.name(label, nli.labels): text for label, text in answer.items()}
    missing = [label for label in nli.labels if label not in texts]
    if missing:
        raise NotYet(f"There is no hypothesis yet for {' and '.join(missing)}.")
    for label, text in texts.items():
        if not isinstance(text, str) or not text.strip() or text.strip() == premise.strip():
            raise NotYet(f"For {label} write a sentence of your own; got {answers.said(text)}.")
    asked = pd.DataFrame({"premise": premise, "hypothesis": list(texts.values()), "language": language})
    preds = predict(nli, asked, progress=False).assign(wanted=list(texts))
    wrong = preds[preds["prediction"] != preds["wanted"]]
    if len(wrong):
        said = [
            f"of {answers.said(row['hypothesis'])} the model says {row['prediction']} with {row['p_' + row['prediction']]:.2f}, not {row['wanted']}"
            for row in wrong.to_dict("records")
        ]
        raise NotYet(f"Not yet the labels that you named: {'; '.join(said)}.")
    sure = min(row["p_" + row["wanted"]] for row in preds.to_dict("records"))
    return f"The model gives all three labels, each with {sure:.2f} or more. Would you have given them too?"
