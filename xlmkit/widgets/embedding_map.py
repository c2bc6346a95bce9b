"""A map of how the model represents sentences and languages: points near one another are similar to
it.

The points are drawn as SVG. Their marks differ by shape, number or letters as well as by colour,
and show their text when pointed at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from xlmkit import inference, probes
from xlmkit.languages import LANGUAGES
from xlmkit.model import CLASSIFIERS, NLIModel
from xlmkit.pairs import check_pairs, sentence_columns, with_english
from xlmkit.probes.geometry import FAMILIES
from xlmkit.probes.retrieval import PAIR, PROJECTIONS, has_umap, project, sentence_embeddings
from xlmkit.render import escaped, quoted
from xlmkit.widgets.controls import LABEL, Clickable, dropdown, line, offer, two_columns
from xlmkit.widgets.filters import check_predictions
from xlmkit.widgets.html import ENGLISH, Row, item, item_options, items, language_names, sides
from xlmkit.widgets.live import Live, without_predictions

Vectors = Callable[..., np.ndarray]

LANGUAGE_TABLE = "language embeddings"
N_POINTS = 600  # that a picture can take
NONE = "none"
CHOOSE = '<p class="xk-notice">Choose a point to read its text. Pointing at it shows the text too.</p>'
OFFERED = 200  # items in a list
OF_LANGUAGES: dict[str, Callable[[str], str]] = {
    "language": lambda code: LANGUAGES[code].name,
    "script": lambda code: LANGUAGES[code].script,
    "family": lambda code: FAMILIES[code][0],
}
COLUMNS = {
    "prediction": "prediction",
    "right or wrong": "correct",
    "gold": "gold",
    "phenomenon": "phenomenon",
    "genre": "genre",
}

WIDTH, HEIGHT, MARGIN, PAD = 720.0, 460.0, 26.0, 14.0
# Okabe and Ito (2008)
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B07A00", "#3E8FC0", "#767676")
PURE = 60  # % of a colour in letters; the rest is the colour of the text
SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",  # disc
    "M-4.6-4.6h9.2v9.2h-9.2z",  # square
    "M0-6L5.6 4.4H-5.6z",  # triangle
    "M0-6.4L6.4 0L0 6.4L-6.4 0z",  # diamond
    "M-1.7-6h3.4v4.3h4.3v3.4h-4.3v4.3h-3.4v-4.3h-4.3v-3.4h4.3z",  # plus
    "M0 6L5.6-4.4H-5.6z",  # triangle on its tip
)


def embedding_map(
    nli: NLIModel, preds: pd.DataFrame | None = None, *, n_points: int = N_POINTS, seed: int = 0
) -> EmbeddingMap:
    """Explore where sentences, or the language embeddings, are in a plane; coloured by language,
    prediction or correctness.

    Parameters
    ----------
    preds : predictions, or pairs, which are then predicted; None shows the language embeddings
        alone.
    n_points : the largest number of points; larger frames are sampled by item, keeping all
        translations.
    seed : of the sample and of UMAP.

    Returns
    -------
    The explorer, for the last line of a cell; its first map has been computed.

    Raises
    ------
    ValueError : if rows are faulty or fewer than three, or there are neither rows nor language
        embeddings."""
    frame = None if preds is None else _read(nli, preds, n_points, seed)
    languages = probes.language_map(nli) if nli.uses_language_ids and len(nli.lang2id) > 2 else None
    vectors = partial(sentence_embeddings, nli, progress=False)
    return EmbeddingMap(frame, languages, vectors, n_layers=int(nli.network.config.n_layers), seed=seed)


def _read(nli: NLIModel, preds: pd.DataFrame, n_points: int, seed: int) -> pd.DataFrame:
    """The rows to draw, with predictions if they have some or the model can make them."""
    classifies, predicted = nli.task in CLASSIFIERS, "prediction" in preds
    pairs = without_predictions(preds)
    frame = inference.check_input(nli, pairs) if classifies else check_pairs(pairs, labels=None)
    frame = frame.reset_index(drop=True)
    if predicted:
        frame["prediction"] = preds["prediction"].to_list()
    frame = sample_items(frame, n_points, seed).reset_index(drop=True)
    if not predicted and classifies:
        frame = inference.predict(nli, frame, progress=False)
    return check_predictions(frame) if "prediction" in frame else with_english(frame)


class EmbeddingMap(Live):
    """The explorer that `embedding_map` makes; it calls `vectors` and has no model.

    Parameters
    ----------
    frame : the rows to place, with English originals and, if known, predictions; None: there are
        languages only.
    languages : from `probes.language_map`; None: the model has no language embeddings.
    vectors : pairs, `of`, `layer` -> (N, H) vectors, one row per pair.
    n_layers : the number of the model's last layer."""

    def __init__(
        self,
        frame: pd.DataFrame | None,
        languages: pd.DataFrame | None,
        vectors: Vectors,
        *,
        n_layers: int,
        seed: int = 0,
    ) -> None:
        if frame is None and languages is None:
            raise ValueError("expected `preds`, since this model has no language embeddings; got None.")
        super().__init__("Map of embeddings")
        self._vectors, self._seed = vectors, seed
        self._frame, self._languages = frame, languages
        self._known: dict[tuple[str, int], np.ndarray] = {}  # vectors by kind of point and layer
        self._points = pd.DataFrame({"x": [], "y": []})
        self._rows: list[dict[Any, Any]] = []  # what each point stands for
        self._present = ""  # the kind of point that is shown
        self._chosen: int | None = None
        self._build(n_layers)
        self._placing = self.worker(self._place)
        self.on_any(self._ask, self.of, self.layer, self.projection, self.centred)
        self.on_any(self.draw, self.colour, self.item)
        self.on(self.map, lambda value: self.open(int(value) if value else None))
        self._ask()
        self.wait()

    def _build(self, n_layers: int) -> None:
        frame, kinds = self._frame, []
        if frame is not None:
            kinds = [("pairs, as the classifier sees them", PAIR)]
            kinds += [(f"each {name} alone, its mean", name) for name in sentence_columns(frame)]
        if self._languages is not None:
            kinds.append((LANGUAGE_TABLE, LANGUAGE_TABLE))
        self.of = dropdown("place", kinds)
        self.layer = ipywidgets.IntSlider(
            n_layers, min=0, max=n_layers, description="after layer", style=LABEL, continuous_update=False
        )
        projections = [name for name in PROJECTIONS if name != "umap" or has_umap()]
        self.projection = dropdown("projection", [(name.upper(), name) for name in projections])
        self.centred = ipywidgets.Checkbox(description="subtract the mean of each language", indent=False)
        self.colour = dropdown("colour by", colours_of(frame))
        listed = item_options(frame)[:OFFERED] if frame is not None and "item" in frame else []
        self.item = dropdown("mark the translations of", [("nothing", NONE), *listed], width="28em")
        self.map = Clickable(label="map; choose a point to read its text")
        self.detail = Clickable(label="the chosen point", live=True)
        self.lay_out(
            line(self.of, self.layer, self.projection, self.centred),
            line(self.colour, self.item),
            two_columns(self.map, self.detail, width="44em"),
            *self.footer,
        )

    def open(self, row: int | None) -> None:
        """Show one point's text, by its place among the rows, and mark its translations; None
        closes it."""
        with self.lock:
            self._chosen = row
            own = NONE if row is None else self._rows[row].get("item", NONE)
            if self._present != LANGUAGE_TABLE and own != NONE and own in dict(self.item.options).values():
                self.item.value = own
            self.draw()

    def draw(self) -> None:
        """Draw the points that are known in the chosen colours."""
        if len(self._points):
            self.map.html, self.detail.html = self._map(), self._detail()
            self.changed()

    def _ask(self) -> None:
        languages = self.of.value == LANGUAGE_TABLE
        for control in (self.layer, self.centred, self.projection, self.item):
            control.disabled = languages
        colours = colours_of(None if languages else self._frame)
        if [value for _, value in self.colour.options] != colours:
            offer(self.colour, colours)
        self._placing.ask((self.of.value, self.layer.value, self.projection.value, self.centred.value))

    def _place(self, question: tuple[str, int, str, bool]) -> Iterator[Callable[[], None]]:
        of, layer, projection, centred = question
        table = self._languages if of == LANGUAGE_TABLE else self._frame
        assert table is not None
        points, rows = table, table.to_dict("records")
        if of != LANGUAGE_TABLE:
            if (of, layer) not in self._known:
                yield partial(self.tell, f"Computing {len(rows)} vectors …")
                self._known[of, layer] = self._vectors(without_predictions(table), of=of, layer=layer)
            names = [language_names(row) for row in rows]
            groups = np.array(names) if centred else None
            points = project(self._known[of, layer], projection=projection, groups=groups, seed=self._seed)
        yield partial(self._show, of, rows, points)

    def _show(self, of: str, rows: list[dict[Any, Any]], points: pd.DataFrame) -> None:
        if (of == LANGUAGE_TABLE) != (self._present == LANGUAGE_TABLE):
            self._chosen = None
        self._present, self._rows, self._points = of, rows, points
        self.tell("")
        self.say("")
        self.draw()

    def _map(self) -> str:
        points = self._points[["x", "y"]].join(describe_points(self._rows, self.colour.value))
        ringed = [] if self._chosen is None else [self._chosen]
        if self._present != LANGUAGE_TABLE and self.item.value != NONE:
            ringed = [place for place, row in enumerate(self._rows) if row["item"] == self.item.value]
        name = f"{len(points)} points: {self._present}, coloured by {self.colour.value}"
        shares = self._points.attrs.get("explained") or ()
        axes = [
            f"principal component {n}, {100 * part:.0f} % of the variance" for n, part in enumerate(shares, 1)
        ]
        axes = axes or ["UMAP, first axis", "UMAP, second axis"]
        return scatter(points, axes=axes, name=name, ringed=ringed) + key(points)

    def _detail(self) -> str:
        if self._chosen is None:
            return CHOOSE
        row = self._rows[self._chosen]
        return f"<p>{escaped(point_text(row))}</p>" if self._present == LANGUAGE_TABLE else items(item(row))

    def body(self) -> str:
        """The map and the chosen point."""
        return self._map() + self._detail() if len(self._points) else ""


def sample_items(frame: pd.DataFrame, n_points: int, seed: int) -> pd.DataFrame:
    """At most `n_points` rows: whole items at random, and one even if it alone is larger.

    Raises
    ------
    ValueError : if there are fewer than three rows."""
    if len(frame) < 3:
        raise ValueError(f"a map needs three or more points; got {len(frame)} rows.")
    if len(frame) <= n_points:
        return frame
    names = frame["item"] if "item" in frame else pd.Series(frame.index, index=frame.index)
    order = np.random.default_rng(seed).permutation(names.unique())
    sizes = names.value_counts().reindex(order).cumsum()
    kept = set(sizes.index[sizes <= n_points]) or {order[0]}
    return frame[names.isin(kept)]


# What points stand for: a row is a pair, a single text, or a language as `probes.language_map`
# gives it


def colours_of(frame: pd.DataFrame | None) -> list[str]:
    """What the rows of a frame can be coloured by; None stands for languages alone."""
    frame = pd.DataFrame() if frame is None else frame
    known = [name for name, column in COLUMNS.items() if column in frame and frame[column].notna().any()]
    return [*OF_LANGUAGES, *known]


def describe_points(rows: Sequence[Row], colour: str) -> pd.DataFrame:
    """`group` and `text` of each row for `scatter`; and `mark`, where points are told apart by
    language.

    Parameters
    ----------
    colour : one of `colours_of`."""
    texts = {"group": [_group(row, colour) for row in rows], "text": [point_text(row) for row in rows]}
    table = pd.DataFrame(texts, dtype=object)
    if colour == "language" or any(map(_is_language, rows)):
        table["mark"] = ["+".join(_codes(row)) for row in rows]
    return table


def _group(row: Row, colour: str) -> str:
    """What a row is coloured by, in words."""
    if colour in OF_LANGUAGES:
        return " and ".join(dict.fromkeys(map(OF_LANGUAGES[colour], _codes(row))))
    value = row.get(COLUMNS[colour])
    if colour == "right or wrong":
        return ("✓ right" if value else "✗ wrong") if isinstance(value, bool | np.bool_) else "no gold label"
    return value if isinstance(value, str) else "unknown"


def point_text(row: Row) -> str:
    """What a point shows when it is pointed at, in lines: language, prediction, texts, English
    originals."""
    if _is_language(row):
        return f"{row['name']} ({row['language']}): {row['family']}, {row['branch']}; script {row['script']}"
    head, gold = language_names(row), row.get("gold")
    if isinstance(row.get("prediction"), str):
        head += f"; predicted: {row['prediction']}"
        if isinstance(gold, str):
            head += ", right" if gold == row["prediction"] else f", wrong, gold: {gold}"
    texts = [str(row[name]) for name, _ in sides(row)]
    english = [row.get(ENGLISH[name]) for name, code in sides(row) if code != "en"]
    return "\n".join([head, *texts, *(f"English: {text}" for text in english if isinstance(text, str))])


def _is_language(row: Row) -> bool:
    return "hypothesis" not in row and "text" not in row


def _codes(row: Row) -> list[str]:
    """The language, or both of a pair in two languages."""
    return [row["language"]] if _is_language(row) else list(dict.fromkeys(code for _, code in sides(row)))


# The picture


def scatter(points: pd.DataFrame, *, axes: Sequence[str], name: str, ringed: Sequence[int] = ()) -> str:
    """Draw points in a plane.

    Parameters
    ----------
    points : N rows: `x`, `y` (missing ones are left out), `group` (what colours a point, as text),
        `text` (shown when pointed at), and perhaps a short `mark` to write in place of a shape.
        Without marks each of up to six groups has a shape; more groups are numbered.
    axes : what to write at the two axes.
    name : what the picture shows, for screen readers.
    ringed : places of rows to ring and to join by lines to their middle.

    Returns
    -------
    An SVG element of a fixed ratio that fits the width it is given; a point's `data-xk` is its
    place."""
    places, marks, texts = _positions(points), _marks(points), points["text"].to_list()
    drawn = np.flatnonzero(np.isfinite(places).all(1))
    rings = places[[row for row in ringed if row in drawn]]
    middle = " ".join(f"{value:.1f}" for value in rings.mean(0)) if len(rings) > 1 else ""
    links = "".join(f'<path class="xk-link" d="M{middle}L{x:.1f} {y:.1f}"/>' for x, y in rings if middle)
    # A title contains no elements, so hidden characters are replaced (`quoted`) and not marked up
    # (`escaped`).
    shapes = "".join(
        f'<g class="xk-point" transform="translate({places[row][0]:.1f} {places[row][1]:.1f})" role="button" '
        f'data-xk="{row}"><title>{quoted(texts[row])}</title>{marks[row]}</g>'
        for row in drawn
    )
    circles = "".join(f'<circle class="xk-ring" cx="{x:.1f}" cy="{y:.1f}" r="11"/>' for x, y in rings)
    return (
        f'<svg class="xk-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" '
        f'role="group" aria-label="{quoted(name)}"><rect class="xk-frame" x="{MARGIN}" y="{MARGIN / 2}" '
        f'width="{WIDTH - 1.5 * MARGIN}" height="{HEIGHT - 1.5 * MARGIN}"/>{links}{shapes}{circles}'
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escaped(axes[0])}</text>'
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escaped(axes[1])}</text></svg>'
    )


def key(points: pd.DataFrame) -> str:
    """What the marks of `scatter` stand for, with the number of points of each."""
    marks = pd.Series(_marks(points), index=points.index)
    entries = ""
    for group, own in marks.groupby(points["group"].astype(str)):
        drawn = "".join(
            f'<svg viewBox="-15 -9 30 18" width="30" height="18" aria-hidden="true">{mark}</svg>'
            for mark in own.unique()
        )
        entries += f"<span>{drawn} {escaped(group)} ({len(own)})</span>"
    return f'<div class="xk-key">{entries}</div>'


def ink(colour: str) -> str:
    """A colour for letters: nearer to that of the text, so that it can be read on a light and on a
    dark page."""
    return f"color-mix(in srgb,{colour} {PURE}%,currentColor)"


def _marks(points: pd.DataFrame) -> list[str]:
    """The mark of each point: its own letters, or the shape or the number of its group, in the
    group's colour."""
    codes, groups = pd.factorize(points["group"].astype(str), sort=True)
    numbers = [str(code + 1) if len(groups) > len(SHAPES) else "" for code in codes]
    marks = []
    for code, text in zip(codes, points.get("mark", numbers), strict=True):
        colour = PALETTE[code % len(PALETTE)]
        # The second fill is taken where it is known.
        style = f'class="xk-mark" style="fill:{colour};fill:{ink(colour)}" dy="4"'
        shape = f'<path class="xk-mark" fill="{colour}" d="{SHAPES[code % len(SHAPES)]}"/>'
        marks.append(f"<text {style}>{escaped(text)}</text>" if text else shape)
    return marks


def _positions(points: pd.DataFrame) -> np.ndarray:
    """(N, 2) positions on the picture. One scale for both axes: a distance means the same in every
    direction."""
    values = points[["x", "y"]].to_numpy(dtype=float)
    known = values[np.isfinite(values).all(1)]
    if not len(known):
        return values
    low, high = known.min(0), known.max(0)
    room = np.array([WIDTH, HEIGHT]) - 1.5 * MARGIN - 2 * PAD
    scale = min(room / np.where(high > low, high - low, 1e-12))
    x, y = (scale * (values - low) + (room - scale * (high - low)) / 2).T
    return np.stack([MARGIN + PAD + x, MARGIN / 2 + PAD + room[1] - y], axis=1)
