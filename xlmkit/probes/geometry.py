"""Geometry of the language embeddings: which languages the model treats as neighbours, and whether
script or family explains it.

Families and branches follow Glottolog (glottolog.org); scripts are those of `languages` (ISO
15924). Fifteen points in hundreds of dimensions easily look grouped, so `grouping_test` says by
permutation how often chance does as well (Good 2005)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA

from xlmkit.checks import check_int
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.probes.language_ids import check_has_language_ids, language_codes, language_embeddings

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
"""Family and branch of each language, by their usual English names."""

GROUPINGS = ("script", "family", "branch")


def language_cosines(nli: NLIModel, *, centred: bool = False) -> pd.DataFrame:
    """Cosines between the language embeddings.

    Parameters
    ----------
    centred : whether to subtract the mean of all of them first. Every text gets that mean, whatever
        its language, and it makes all cosines alike.

    Returns
    -------
    A square frame of cosines in [-1, 1]; index and columns are the codes of the model's languages.

    Raises
    ------
    ValueError : if the model has no language ids."""
    codes, points = _points(nli)
    if centred:
        points = points - points.mean(0)
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = np.clip(directions @ directions.T, -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    return pd.DataFrame(cosines, pd.Index(codes, name="language"), pd.Index(codes, name="other"))


def dendrogram(nli: NLIModel, *, centred: bool = True) -> pd.DataFrame:
    """Which languages join first: average linkage over 1 - cosine, leaves in optimal order
    (Bar-Joseph et al. 2001).

    Parameters
    ----------
    centred : as for `language_cosines`.

    Returns
    -------
    One row per join, the closest first: `first`, `second` (numbers of languages or, from the number
    of languages on, of earlier joins), `distance` (1 - cosine, in [0, 2]) and `size`.
    `frame.to_numpy()` is what scipy's `dendrogram` draws, with `labels=frame.attrs["languages"]`.

    Raises
    ------
    ValueError : if the model has no language ids, or only one language."""
    cosines = language_cosines(nli, centred=centred)
    if len(cosines) < 2:
        raise ValueError(f"expected at least 2 languages to join; got {', '.join(cosines.index)}")
    distances = squareform(np.clip(1 - cosines.to_numpy(), 0, None), checks=False)
    joins = optimal_leaf_ordering(linkage(distances, "average"), distances)
    result = pd.DataFrame(joins, columns=["first", "second", "distance", "size"])
    result.attrs["languages"] = cosines.index.tolist()
    return result


def language_map(nli: NLIModel) -> pd.DataFrame:
    """The language embeddings in the plane of their first two principal components.

    Returns
    -------
    `language`, `name`, `x`, `y`, `script`, `family`, `branch`; `attrs["explained"]` has the
    fractions of the variance on the two axes.

    Raises
    ------
    ValueError : if the model has no language ids, or fewer than three languages."""
    codes, points = _points(nli)
    if len(codes) < 3:
        raise ValueError(f"expected at least 3 languages for a plane; got {', '.join(codes)}")
    pca = PCA(n_components=2, svd_solver="full")
    x, y = pca.fit_transform(points).T
    names = [LANGUAGES[code].name for code in codes]
    result = pd.DataFrame({"language": codes, "name": names, "x": x, "y": y}).join(_groups(codes))
    result.attrs["explained"] = pca.explained_variance_ratio_.tolist()
    return result


def nearest_languages(nli: NLIModel, *, n_neighbors: int = 3, centred: bool = True) -> pd.DataFrame:
    """The nearest languages of each language.

    Parameters
    ----------
    n_neighbors : how many.
    centred : as for `language_cosines`.

    Returns
    -------
    `language`, `rank` (1 is nearest), `nearest`, `cosine` in [-1, 1], `same_script`, `same_family`,
    `same_branch`.

    Raises
    ------
    ValueError : if the model has no language ids, or `n_neighbors` is not from 1 to the number of
        other languages."""
    cosines = language_cosines(nli, centred=centred)
    check_int("n_neighbors", n_neighbors, 1, len(cosines) - 1)
    rows = [
        (code, rank, other, cosine)
        for code, row in cosines.iterrows()
        for rank, (other, cosine) in enumerate(row.drop(code).nlargest(n_neighbors).items(), 1)
    ]
    result = pd.DataFrame(rows, columns=["language", "rank", "nearest", "cosine"])
    same = _groups(result["language"]) == _groups(result["nearest"])
    return result.join(same.add_prefix("same_"))


def grouping_test(
    nli: NLIModel, *, n_permutations: int = 10_000, centred: bool = True, seed: int = 0
) -> pd.DataFrame:
    """Test whether languages of one script, family or branch lie closer together than others.

    Parameters
    ----------
    n_permutations, seed : number of permutations of the languages over the groups, and the seed
        that draws them.
    centred : as for `language_cosines`.

    Returns
    -------
    `grouping` ("script", "family", "branch"), `pairs` (of languages within a group), `within` and
    `between` (mean cosines, in [-1, 1]), `difference` (higher: the grouping shows) and `p` in (0,
    1], one-sided, of as large a difference if the languages are assigned to the groups at random.
    Missing for a grouping in which no two languages share a group.

    Raises
    ------
    ValueError : if the model has no language ids."""
    cosines = language_cosines(nli, centred=centred)
    values, groups = cosines.to_numpy(), _groups(cosines.index)
    first, second = np.triu_indices(len(values), 1)
    generator = np.random.default_rng(seed)
    orders = np.array([generator.permutation(len(values)) for _ in range(n_permutations)])
    permuted = values[orders[:, first], orders[:, second]]  # (permutations, pairs)
    rows = []
    for grouping in GROUPINGS:
        member = groups[grouping].to_numpy()
        same = member[first] == member[second]
        row = {"grouping": grouping, "pairs": int(same.sum())}
        if same.any() and not same.all():
            within, between = values[first, second][same].mean(), values[first, second][~same].mean()
            differences = permuted[:, same].mean(1) - permuted[:, ~same].mean(1)
            extreme = (differences >= within - between - 1e-12).sum()
            row |= {"within": within, "between": between, "difference": within - between}
            row["p"] = (1 + extreme) / (1 + n_permutations)
        rows.append(row)
    return pd.DataFrame(rows, columns=["grouping", "pairs", "within", "between", "difference", "p"])


def _points(nli: NLIModel) -> tuple[list[str], np.ndarray]:
    """The codes and their embeddings, (languages, H) float64."""
    check_has_language_ids(nli)
    codes = language_codes(nli)
    rows = language_embeddings(nli)[[nli.lang2id[code] for code in codes]]
    return codes, rows.double().cpu().numpy()


def _groups(codes: Iterable[str]) -> pd.DataFrame:
    """Script, family and branch of each language."""
    rows = [(LANGUAGES[code].script, *FAMILIES[code]) for code in codes]
    return pd.DataFrame(rows, columns=list(GROUPINGS))
