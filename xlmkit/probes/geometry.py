"""Geometry of the language embeddings: which languages the model takes for neighbours, and whether script or family says so.

Families and branches follow Glottolog (Hammarström et al., glottolog.org); scripts are those of `languages` (ISO 15924). Fifteen points in hundreds of
dimensions look grouped easily, so `groups` says by permutation how often chance does as well (Good 2005)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.cluster.hierarchy import optimal_leaf_ordering
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA

from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.probes.ids import codes, need_language_ids, vectors

FAMILIES: dict[str, tuple[str, str]] = {
    "ar": ("Afro-Asiatic", "Semitic"),
    "bg": ("Indo-European", "Slavic"),
    "de": ("Indo-European", "Germanic"),
    "el": ("Indo-European", "Greek"),
    "en": ("Indo-European", "Germanic"),
    "es": ("Indo-European", "Romance"),
    "fr": ("Indo-European", "Romance"),
    "hi": ("Indo-European", "Indo-Aryan"),
    "ru": ("Indo-European", "Slavic"),
    "sw": ("Atlantic-Congo", "Bantu"),
    "th": ("Tai-Kadai", "Tai"),
    "tr": ("Turkic", "Oghuz"),
    "ur": ("Indo-European", "Indo-Aryan"),
    "vi": ("Austroasiatic", "Vietic"),
    "zh": ("Sino-Tibetan", "Sinitic"),
}
"""Family and branch of each language (Glottolog; branches by their usual English names)."""

GROUPINGS = ("script", "family", "branch")


def geometry(nli: NLIModel, *, centred: bool = False) -> pd.DataFrame:
    """Cosines between the language embeddings.

    Parameters
    ----------
    centred : take the mean of all of them away first. It is added whatever the language, and with it all cosines lie close together.

    Returns
    -------
    A square frame of cosines in [-1, 1]; index and columns are the codes of the model's languages.

    Raises
    ------
    ValueError : if the model has no language ids."""
    names, points = _points(nli)
    if centred:
        points = points - points.mean(0)
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = np.clip(directions @ directions.T, -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    return pd.DataFrame(
        cosines, index=pd.Index(names, name="language"), columns=pd.Index(names, name="other")
    )


def dendrogram(nli: NLIModel, *, centred: bool = True) -> pd.DataFrame:
    """Which languages join first: average linkage over 1 - cosine, leaves in their best order (Bar-Joseph et al. 2001).

    Parameters
    ----------
    centred : as `geometry`.

    Returns
    -------
    One row a join, the closest first: `first`, `second` (numbers of languages or, from the number of languages on, of earlier joins), `distance`
    (1 - cosine, in [0, 2]) and `size`. `frame.to_numpy()` is what scipy's `dendrogram` draws, with `labels=frame.attrs["languages"]`.

    Raises
    ------
    ValueError : if the model has no language ids, or one language only."""
    cosines = geometry(nli, centred=centred)
    if len(cosines) < 2:
        raise ValueError(f"expected two or more languages to join; got {', '.join(cosines.index)}")
    distances = squareform(np.clip(1 - cosines.to_numpy(), 0, None), checks=False)
    joined = optimal_leaf_ordering(scipy_linkage(distances, "average"), distances)
    result = pd.DataFrame(joined, columns=["first", "second", "distance", "size"])
    result.attrs["languages"] = cosines.index.tolist()
    return result


def embedding_map(nli: NLIModel) -> pd.DataFrame:
    """The language embeddings in the plane of their first two principal components.

    Returns
    -------
    `language`, `name`, `x`, `y`, `script`, `family`, `branch`; `attrs["explained"]` are the shares of the variance on the two axes.

    Raises
    ------
    ValueError : if the model has no language ids, or fewer than three languages."""
    names, points = _points(nli)
    if len(names) < 3:
        raise ValueError(f"a plane needs three or more languages; got {', '.join(names)}")
    pca = PCA(n_components=2, svd_solver="full")
    x, y = pca.fit_transform(points).T
    result = _described(pd.DataFrame({"language": names, "x": x, "y": y}))
    result.insert(1, "name", [LANGUAGES[code].name for code in names])
    result.attrs["explained"] = [float(share) for share in pca.explained_variance_ratio_]
    return result


def nearest(nli: NLIModel, *, count: int = 3, centred: bool = True) -> pd.DataFrame:
    """The nearest languages of each language.

    Parameters
    ----------
    count : how many. centred : as `geometry`.

    Returns
    -------
    `language`, `rank` (1 is nearest), `nearest`, `cosine` in [-1, 1], `same_script`, `same_family`, `same_branch`.

    Raises
    ------
    ValueError : if the model has no language ids, or `count` is not between 1 and the other languages."""
    cosines = geometry(nli, centred=centred)
    if not 1 <= count < len(cosines):
        raise ValueError(f"`count` must be from 1 to {len(cosines) - 1}; got {count!r}")
    rows = []
    for code in cosines.index:
        others = cosines.loc[code].drop(code).sort_values(ascending=False, kind="stable")[:count]
        for rank, (other, cosine) in enumerate(others.items(), 1):
            rows.append({"language": code, "rank": rank, "nearest": other, "cosine": cosine})
    result = pd.DataFrame(rows)
    own = _described(result[["language"]])
    others = _described(result[["nearest"]].set_axis(["language"], axis=1))
    for grouping in GROUPINGS:
        result[f"same_{grouping}"] = own[grouping].to_numpy() == others[grouping].to_numpy()
    return result


def groups(
    nli: NLIModel, *, n_permutations: int = 10_000, centred: bool = True, seed: int = 0
) -> pd.DataFrame:
    """Do languages of one script, family or branch lie closer together than others?

    Parameters
    ----------
    n_permutations, seed : permutations of the languages over the groups, and what draws them. centred : as `geometry`.

    Returns
    -------
    `grouping` ("script", "family", "branch"), `pairs` (of languages within a group), `within` and `between` (mean cosines, in [-1, 1]), `difference` (higher: the
    grouping shows) and `p` in (0, 1], one-sided, of as great a difference when languages are dealt to the groups by chance.
    Groupings in which no two languages share a group have missing figures.

    Raises
    ------
    ValueError : if the model has no language ids."""
    cosines = geometry(nli, centred=centred)
    described = _described(pd.DataFrame({"language": cosines.index}))
    values = cosines.to_numpy()
    upper = np.triu_indices(len(values), 1)
    chance = np.random.default_rng(seed)
    orders = np.array([chance.permutation(len(values)) for _ in range(n_permutations)])
    rows = []
    for grouping in GROUPINGS:
        member = pd.factorize(described[grouping])[0]
        same = (member[:, None] == member)[upper]
        row = {"grouping": grouping, "pairs": int(same.sum())}
        if same.any() and not same.all():
            seen = values[upper]
            difference = seen[same].mean() - seen[~same].mean()
            drawn = values[orders[:, upper[0]], orders[:, upper[1]]]  # (draws, pairs)
            dealt = drawn[:, same].mean(1) - drawn[:, ~same].mean(1)
            p = (1 + (dealt >= difference - 1e-12).sum()) / (1 + n_permutations)
            row |= {
                "within": seen[same].mean(),
                "between": seen[~same].mean(),
                "difference": difference,
                "p": p,
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=["grouping", "pairs", "within", "between", "difference", "p"])


def _points(nli: NLIModel) -> tuple[list[str], np.ndarray]:
    """Codes, and their embeddings (languages, H) in float64."""
    need_language_ids(nli)
    names = codes(nli)
    rows = vectors(nli)[[nli.lang2id[code] for code in names]]
    return names, rows.double().cpu().numpy()


def _described(frame: pd.DataFrame) -> pd.DataFrame:
    """With script, family and branch of each row's `language`."""
    result = frame.reset_index(drop=True)
    result["script"] = [LANGUAGES[code].script for code in result["language"]]
    for place, name in enumerate(("family", "branch")):
        result[name] = [FAMILIES[code][place] for code in result["language"]]
    return result
