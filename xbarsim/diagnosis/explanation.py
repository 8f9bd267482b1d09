"""Results of an explanation: shares of causes and layers, and remedies, as tables, JSON and an HTML page."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarsim.notebook import Face, Shown
from xbarsim.report import Provenance, tabulate_records
from xbarsim.report.document import plain
from xbarsim.report.quantity import show_number
from xbarsim.report.record import describe_record
from xbarsim.store import write_file

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCHEMA = 1
"""Version of the JSON form."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """One measure of the whole network."""

    measure: str
    """``accuracy`` or the name of the metric, ``agreement`` with the float network, or ``cosine`` of the outputs with
    those of the float network."""
    unit: str
    """``%`` for shares, which are in per cent, and whose points are per cent; nothing for other metrics, whose values
    and points are in the metric's own unit."""
    higher_is_better: bool
    """Whether higher values are better."""
    reference: float
    """Float network."""
    integers: float
    """Integer network on ideal hardware."""
    hardware: float
    """On this hardware, mean over chips."""

    @property
    def lost_points(self) -> float:
        """What hardware loses against the float network; above 0 is worse, whatever the direction [points]."""
        lost = self.reference - self.hardware
        return lost if self.higher_is_better else -lost

    @property
    def quantity(self) -> str:
        """What points are counted in."""
        return f"points of {self.measure}" if self.unit == "%" else self.measure

    def show(self, value: float) -> str:
        """Write a value with its unit."""
        return f"{value:.2f} %" if self.unit == "%" else show_number(value)

    def show_points(self, points: float, *, decimals: int = 2, sign: bool = False) -> str:
        """Write points, of a share with some decimals, of another metric with significant digits."""
        text = f"{points:.{decimals}f}" if self.unit == "%" else show_number(points, decimals + 1)
        text = text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
        return f"+{text}" if sign and not text.startswith("-") else text


@dataclass(frozen=True, kw_only=True)
class CauseShare:
    """Loss attributed to one cause, in one measure."""

    cause: str
    """Name in :data:`~xbarsim.diagnosis.cause.CAUSES`, or ``quantisation``."""
    alone_points: float
    """Loss with this cause alone on otherwise ideal hardware [points]."""
    share_points: float
    """Share of the loss (Shapley value); the shares of all causes add up to the whole loss [points]."""
    low: float
    """Lower end of the share's 95 % confidence interval over images, chips and orders [points]."""
    high: float
    """Upper end [points]."""
    removed_points: float
    """Gain when this cause alone is disabled; negative if it compensates another cause [points]."""


@dataclass(frozen=True, kw_only=True)
class LayerShare:
    """Loss attributed to one layer."""

    layer: str
    """Name."""
    share_points: float
    """Share of the loss on hardware, in the explanation's measure [points]."""
    snr_db: float | None
    """Ratio of the power of its results to the power of their error with exact inputs, mean over chips [dB]."""
    cosine_points: float
    """Share of the loss in the cosine of the outputs [points]."""


@dataclass(frozen=True, kw_only=True)
class RemedyGain:
    """Gain and cost of one remedy."""

    remedy: str
    """Name in :data:`~xbarsim.diagnosis.remedy.REMEDIES`, or several of them together, joined by a plus sign."""
    points: float
    """Gain [points]."""
    energy_ratio: float
    """Energy of an inference with the remedy, relative to that without [-]."""
    area_ratio: float
    """Area with the remedy, relative to that without [-]."""
    delay_ratio: float
    """Delay of an inference with the remedy, relative to that without [-]."""
    low: float
    """Lower end of the 95 % confidence interval of ``points`` [points]."""
    high: float
    """Upper end [points]."""
    agreement: float | None
    """Images with the class of the float network, with the remedy [%]; None where outputs are no classes."""
    cosine: float
    """Mean cosine between the outputs of the float network and those with the remedy [-]."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation(Shown):
    """Loss of accuracy on hardware by cause and by layer, and remedies."""

    measure: str
    """Measure of the points: ``accuracy`` or the metric's name with labels, else ``agreement``, or ``cosine`` where
    outputs are no classes."""
    wholes: Mapping[str, Whole]
    """Measure -> values of the whole network."""
    shares: Mapping[str, tuple[CauseShare, ...]]
    """Measure -> causes, quantisation first, then the largest share first; empty where causes were not asked for."""
    layer_shares: tuple[LayerShare, ...]
    """Layers in the order of the network; empty where they were not asked for."""
    gains: tuple[RemedyGain, ...]
    """Remedies, the best first; empty where they were not asked for."""
    refused: Mapping[str, str]
    """Remedy that is not simulated -> reason: the configuration refuses it, or it was named and does not apply."""
    orders: int
    """Number of orders in which causes were enabled; 0 if all sets of causes were evaluated."""
    layer_images: int
    """Number of images for the shares of layers, on the first chip."""
    provenance: Provenance
    """Inputs of the explanation."""

    def _show(self) -> Face:
        from xbarsim.diagnosis.face import show_explanation

        return show_explanation(self)

    @functools.cached_property
    def causes(self) -> pd.DataFrame:
        """One row for each cause: ``cause``, ``alone_points``, ``share_points``, ``low``, ``high``,
        ``removed_points``."""
        return self.tabulate_causes(self.measure)

    @functools.cached_property
    def layers(self) -> pd.DataFrame:
        """One row for each layer: ``layer``, ``share_points``, ``snr_db``, ``cosine_points``."""
        return tabulate_records(self.layer_shares)

    @functools.cached_property
    def remedies(self) -> pd.DataFrame:
        """One row for each remedy, the best first: ``remedy``, ``points``, ``energy_ratio``, ``area_ratio`` and
        more."""
        return tabulate_records(self.gains)

    @property
    def whole(self) -> Whole:
        """The whole network in the explanation's measure."""
        return self.wholes[self.measure]

    def tabulate_causes(self, measure: str) -> pd.DataFrame:
        """Return the causes in one measure, as :attr:`causes` does.

        Parameters
        ----------
        measure : str
            ``accuracy`` or the metric's name, ``agreement`` or ``cosine``.

        Returns
        -------
        pandas.DataFrame
            One row for each cause.
        """
        return tabulate_records(self.shares.get(measure, ()))

    def draw(self) -> dict[str, Figure]:
        """Draw the figures of the explanation's page.

        Returns
        -------
        dict of str to matplotlib.figure.Figure
            ``causes``, ``layers`` and ``remedies``, where they were asked for.
        """
        from xbarsim.diagnosis.page import draw_figures

        return {name: figure for name, (figure, _) in draw_figures(self).items()}

    def describe(self) -> dict[str, Any]:
        """Return the explanation in its public JSON form."""
        document = {
            "schema": SCHEMA,
            "measure": self.measure,
            "whole": [describe_record(whole) for whole in self.wholes.values()],
            "causes": {name: [describe_record(share) for share in rows] for name, rows in self.shares.items()},
            "layers": [describe_record(share) for share in self.layer_shares],
            "remedies": [describe_record(gain) for gain in self.gains],
            "refused": self.refused,
            "orders": self.orders,
            "layer_images": self.layer_images,
            "provenance": describe_record(self.provenance),
        }
        described: dict[str, Any] = plain(document)
        return described

    def to_json(self, path: str | Path) -> Path:
        """Write the explanation as JSON.

        Parameters
        ----------
        path : str or Path
            File to write.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            If the file cannot be written.
        """
        return write_file(path, json.dumps(self.describe(), indent=1, allow_nan=False) + "\n")

    def to_html(self, folder: str | Path) -> Path:
        """Write an HTML page with figures and tables, which can be viewed offline.

        Parameters
        ----------
        folder : str or Path
            Folder to write to; created if missing.

        Returns
        -------
        Path
            The page, ``folder/index.html``.

        Raises
        ------
        ConfigError
            If the folder cannot be written.
        """
        from xbarsim.diagnosis.page import write_page

        return write_page(self, folder)
