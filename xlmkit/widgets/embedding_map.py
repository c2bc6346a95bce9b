"""A map of what the model makes of sentences and of languages: points near one another are alike to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from xlmkit import inference, probes
from xlmkit.model import CLASSIFIERS, NLIModel
from xlmkit.pairs import check_pairs, sentence_columns
from xlmkit.probes.sentences import PAIR, PROJECTIONS, has_umap, project, sentence_vectors
from xlmkit.render import escaped
from xlmkit.widgets.choosing import predictions, records, with_english
from xlmkit.widgets.controls import Clickable
from xlmkit.widgets.items import item, spoken
from xlmkit.widgets.panel import LABEL, Panel, dropdown, heard, line, side_by_side, styled
from xlmkit.widgets.parallel import OFFERED
from xlmkit.widgets.points import colours_of, described, said, sampled
from xlmkit.widgets.scatter import key, scatter
from xlmkit.widgets.translations import items_of

Vectors = Callable[..., np.ndarray]

LANGUAGE_TABLE = "language embeddings"
MOST = 600  # points that a picture can take
NONE = "none"


def embedding_map(
    nli: NLIModel, preds: pd.DataFrame | None = None, *, most: int = MOST, seed: int = 0
) -> EmbeddingMap:
    """Explore where sentences, or the language embeddings, lie in a plane: coloured by language, prediction or correctness.

    Parameters
    ----------
    preds : predictions, or pairs, which are then predicted; None shows the language embeddings alone.
    most : points to draw; of more rows, whole items are drawn by lot until there are that many.
    seed : of that lot, and of UMAP.

    Returns
    -------
    The explorer, for the last line of a cell; its first map has been computed.

    Raises
    ------
    ValueError : if rows are faulty, there are fewer than three, or there is neither a row nor a language embedding."""
    frame = None if preds is None else _read(nli, preds, most, seed)
    languages = probes.embedding_map(nli) if nli.uses_language_ids and len(nli.lang2id) > 2 else None
    layers = int(nli.network.config.n_layers)
    return EmbeddingMap(
        frame, languages, partial(sentence_vectors, nli, progress=False), layers=layers, seed=seed
    )


def _read(nli: NLIModel, preds: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """The rows to draw, with predictions if the model can make them, or has made them."""
    # A `prediction` alone is gold, as everywhere in the kit; beside `gold` or probabilities it is a prediction.
    known = "prediction" in preds and ("gold" in preds or any(str(name).startswith("p_") for name in preds))
    given = preds.drop(columns="prediction") if known else preds
    judges = nli.task in CLASSIFIERS
    frame = inference.check_input(nli, given) if judges else check_pairs(given, labels=None)
    frame = frame.reset_index(drop=True)
    if known:
        frame["prediction"] = preds["prediction"].to_list()
    frame = sampled(frame, most, seed).reset_index(drop=True)
    if not known and judges:
        frame = inference.predict(nli, frame, progress=False)
    return predictions(frame) if "prediction" in frame else with_english(frame)


class EmbeddingMap(Panel):
    """The explorer that `embedding_map` makes; it calls `vectors` and holds no model.

    Parameters
    ----------
    frame : the rows to place, with English originals and, if known, predictions; None: there are languages only.
    languages : what `probes.embedding_map` gives; None: the model has no language embeddings.
    vectors : pairs, `of`, `layer` -> (N, H) vectors, a row a pair.
    layers : the number of the model's last layer."""

    def __init__(
        self,
        frame: pd.DataFrame | None,
        languages: pd.DataFrame | None,
        vectors: Vectors,
        *,
        layers: int,
        seed: int = 0,
    ) -> None:
        if frame is None and languages is None:
            raise ValueError(
                "expected pairs to place, since this model has no language embeddings; got none; remedy: give `preds`"
            )
        self._frame, self._languages, self._vectors, self._seed = frame, languages, vectors, seed
        self._known: dict[tuple[str, int], np.ndarray] = {}  # vectors by what they are of, and layer
        self._points = pd.DataFrame({"x": [], "y": []})
        self._present = ""  # what the points are of
        self._chosen: int | None = None
        self._controls(layers)
        rows = [
            line(self.of, self.layer, self.projection, self.centred),
            line(self.colour, self.item),
            side_by_side(self.map, self.detail, width="44em"),
        ]
        super().__init__(rows, self._picture, name="Map of embeddings")
        self._placing = self.work(self._answer)
        for control in (self.of, self.layer, self.projection, self.centred):
            heard(control, self._ask)
        heard(self.colour, self.draw)
        heard(self.item, self.draw)
        self.map.on_choose(lambda value: self.open(int(value) if value else None))
        self._ask()
        self.settle()

    def _controls(self, layers: int) -> None:
        frame = self._frame
        kinds = []
        if frame is not None:
            kinds.append(("pairs, as the head reads them", PAIR))
            kinds += [(f"each {name} alone, its mean", name) for name in sentence_columns(frame)]
        kinds += [(LANGUAGE_TABLE, LANGUAGE_TABLE)] if self._languages is not None else []
        self.of = dropdown("place", kinds)
        self.layer = ipywidgets.IntSlider(
            value=layers, min=0, max=layers, description="after layer", style=LABEL, continuous_update=False
        )
        offered = [name for name in PROJECTIONS if name != "umap" or has_umap()]
        self.projection = dropdown("projection", [(name.upper(), name) for name in offered])
        self.centred = ipywidgets.Checkbox(description="take each language’s mean away", indent=False)
        self.colour = dropdown("colour by", colours_of(frame))
        items = items_of(frame)[:OFFERED] if frame is not None and "item" in frame else []
        self.item = dropdown("mark the translations of", [("nothing", NONE), *items], width="28em")
        self.map = Clickable(label="map; choose a point to read its text")
        self.detail = Clickable(label="the chosen point", live=True)

    def open(self, row: int | None) -> None:
        """Show one point's text, by its place among the rows, and mark its translations; None closes it."""
        self._chosen = row
        if row is not None and self._present != LANGUAGE_TABLE:
            own = self._rows()[row].get("item")
            if own in [value for _, value in self.item.options]:
                self.item.value = own
        self.draw()

    def draw(self) -> None:
        """Draw the points that are known in the chosen colours."""
        if len(self._points):
            self.map.html = styled(self._map(values=True))
            self.detail.html = styled(self._detail())
            self.changed()

    def _ask(self) -> None:
        languages = self.of.value == LANGUAGE_TABLE
        for control in (self.layer, self.centred, self.projection, self.item):
            control.disabled = languages
        colours = colours_of(None if languages else self._frame)
        if list(self.colour.options) != colours:
            kept = self.colour.value
            self.colour.options = colours
            self.colour.value = kept if kept in colours else colours[0]
        self._placing.ask((self.of.value, self.layer.value, self.projection.value, self.centred.value))

    def _answer(self, question: tuple[str, int, str, bool]) -> Iterator[Callable[[], None]]:
        of, layer, projection, centred = question
        if of == LANGUAGE_TABLE and self._languages is not None:
            yield partial(self._show, of, self._languages)
            return
        if self._frame is None:
            return
        if (of, layer) not in self._known:
            yield partial(self.say, f"The model reads {len(self._frame)} rows …")
            self._known[of, layer] = self._vectors(
                self._frame.drop(columns="prediction", errors="ignore"), of=of, layer=layer
            )
        groups = np.array([spoken(row) for row in records(self._frame)]) if centred else None
        points = project(self._known[of, layer], projection=projection, groups=groups, seed=self._seed)
        yield partial(self._show, of, points)

    def _show(self, of: str, points: pd.DataFrame) -> None:
        if (of == LANGUAGE_TABLE) != (self._present == LANGUAGE_TABLE):
            self._chosen = None
        self._present, self._points = of, points
        self.say("")
        self.draw()

    def _rows(self) -> list[dict[str, Any]]:
        """What each point stands for."""
        source = self._languages if self._present == LANGUAGE_TABLE else self._frame
        return [] if source is None else records(source)

    def _map(self, *, values: bool) -> str:
        rows = self._rows()
        points = self._points[["x", "y"]].join(described(rows, self.colour.value))
        languages = self._present == LANGUAGE_TABLE
        marked = [
            place for place, row in enumerate(rows) if not languages and row.get("item") == self.item.value
        ]
        ringed = marked if marked or self._chosen is None else [self._chosen]
        name = f"{len(points)} points: {self._present}, coloured by {self.colour.value}"
        shares = self._points.attrs.get("explained")
        axes = ["UMAP, first axis", "UMAP, second axis"]
        if shares:
            axes = [
                f"principal component {place}, {100 * share:.0f} % of the variance"
                for place, share in enumerate(shares, 1)
            ]
        return scatter(points, axes=axes, name=name, ringed=ringed, values=values) + key(points)

    def _detail(self) -> str:
        if self._chosen is None:
            return '<p class="xk-notice">Choose a point to read its text; pointing at it shows it too.</p>'
        row = self._rows()[self._chosen]
        if self._present == LANGUAGE_TABLE:
            return f"<p>{escaped(said(row))}</p>"
        return f'<div class="xk xk-wide"><ul class="xk-items">{item(row)}</ul></div>'

    def _picture(self) -> str:
        return self._map(values=False) + self._detail() if len(self._points) else ""
