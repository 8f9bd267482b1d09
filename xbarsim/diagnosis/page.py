"""The page of an explanation: key numbers, causes, layers, remedies, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xbarsim.diagnosis import figures
from xbarsim.diagnosis.cause import CAUSES, QUANTISATION
from xbarsim.diagnosis.explanation import Explanation
from xbarsim.diagnosis.remedy import REMEDIES
from xbarsim.report.csv_table import encode_frame
from xbarsim.report.markup import lay_out_card, lay_out_figure, lay_out_pairs, lay_out_table, render_frame
from xbarsim.report.style import save_drawings
from xbarsim.store import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CAUSE_NOTE = (
    "Alone: lost where the cause is the only one on otherwise ideal hardware. Share: what the cause takes when it joins"
    " those before it, averaged over the orders in which causes can be added (Shapley value); the shares add up to "
    "the whole loss. Removed: given back where it is the only one that is switched off. Causes interact: a share below "
    "0 belongs to a cause that undoes part of what others do, as a coarse converter does that rounds noise away."
)
_LAYER_NOTE = (
    "Layers are put on hardware one after the other, from the front and from the back; the share is the mean of what "
    "each takes in both orders, and the shares add up to what hardware loses against integers on these images. The "
    "ratio of signal to error (SNR) is the layer's own, with exact inputs."
)
_REMEDY_NOTE = "Each remedy on the same network, images and chips; ratios compare it with the hardware as it is."


def write_page(explanation: Explanation, folder: str | Path) -> Path:
    """Write ``index.html`` with figures, tables and JSON beside it.

    Parameters
    ----------
    explanation : Explanation
        What to show.
    folder : str or Path
        Folder to write into; made where missing.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    folder = Path(folder)
    drawn = draw_figures(explanation)
    tables = {"causes": explanation.causes, "layers": explanation.layers, "remedies": explanation.remedies}
    drawings = save_drawings(drawn, folder)
    for name, table in tables.items():
        if len(table):
            write_file(folder / f"{name}.csv", encode_frame(table))
    explanation.to_json(folder / "explanation.json")
    return write_file(folder / "index.html", render_page(explanation, drawings))


def draw_figures(explanation: Explanation) -> dict[str, tuple[Figure, str]]:
    """Draw every figure that an explanation has data for.

    Parameters
    ----------
    explanation : Explanation
        What to draw.

    Returns
    -------
    dict
        File name -> figure and what it shows.
    """
    drawn: dict[str, tuple[Figure, str]] = {}
    if explanation.shares:
        drawn["causes"] = (figures.plot_causes(explanation), "What each cause takes: its share, and alone")
    if explanation.layer_shares:
        text = f"What each layer takes, over {explanation.layer_images} images on the first chip"
        drawn["layers"] = (figures.plot_layers(explanation), text)
    if explanation.gains:
        drawn["remedies"] = (figures.plot_remedies(explanation), "What each remedy gives back")
    return drawn


def render_page(explanation: Explanation, drawings: Mapping[str, tuple[str, str]]) -> str:
    """Return the page as text.

    Parameters
    ----------
    explanation : Explanation
        What to show.
    drawings : mapping of str to (str, str)
        File name -> figure as SVG and what it shows.

    Returns
    -------
    str
        One HTML document without references to other files.
    """
    made = explanation.provenance
    sections = ["<h2>The whole</h2>", _whole_table(explanation)]
    if explanation.shares:
        orders = f"{explanation.orders} orders were drawn." if explanation.orders else "Every set of causes was run."
        sections += ["<h2>Causes</h2>", lay_out_figure(drawings, "causes"), f"<p>{_CAUSE_NOTE} {orders}</p>"]
        for measure in explanation.shares:
            heading = f"Loss in {explanation.wholes[measure].quantity}"
            sections += [f"<h3>{heading}</h3>", _cause_table(explanation, measure)]
    if explanation.layer_shares:
        sections += ["<h2>Layers</h2>", lay_out_figure(drawings, "layers"), f"<p>{_LAYER_NOTE}</p>"]
        sections.append(_layer_table(explanation))
    if explanation.gains or explanation.refused:
        sections += ["<h2>Remedies</h2>", lay_out_figure(drawings, "remedies"), f"<p>{_REMEDY_NOTE}</p>"]
        sections.append(_remedy_table(explanation))
    if explanation.refused:
        sections += ["<h3>Not simulated</h3>", lay_out_pairs(explanation.refused.items())]
    pairs = [
        (name.replace("_", " "), getattr(made, name))
        for name in ("version", "hardware", "hardware_hash", "network", "network_hash", "seed")
    ]
    pairs += [(f"override {key}", value) for key, value in made.overrides.items()]
    pairs += [(str(key).replace("_", " "), value) for key, value in made.settings.items()]
    sections += ["<h2>Provenance</h2>", lay_out_pairs(pairs)]
    subtitle = f"xbarsim {made.version}, seed {made.seed}, hardware {made.hardware_hash}"
    title = f"Where {made.network} loses accuracy on {made.hardware}"
    return render_frame(title, subtitle, _cards(explanation), sections)


def _cards(explanation: Explanation) -> Iterable[str]:
    whole = explanation.whole
    unit = " points" if whole.unit == "%" else ""

    def show(points: float, decimals: int = 1, *, sign: bool = False) -> str:
        return f"{whole.show_points(points, decimals=decimals, sign=sign)}{unit}"

    yield lay_out_card(f"{whole.measure} on this hardware", whole.show(whole.hardware), is_first=True)
    yield lay_out_card("lost against float", show(whole.lost_points, 2))
    causes = sorted(explanation.shares.get(whole.measure, ()), key=lambda row: -row.share_points)
    if causes:
        yield lay_out_card("largest cause", f"{causes[0].cause}: {show(causes[0].share_points)}")
    if explanation.layer_shares:
        worst = max(explanation.layer_shares, key=lambda row: row.share_points)
        yield lay_out_card("largest layer", f"{worst.layer}: {show(worst.share_points)}")
    if explanation.gains:
        best = explanation.gains[0]
        yield lay_out_card("best remedy", f"{best.remedy}: {show(best.points, sign=True)}")


def _whole_table(explanation: Explanation) -> str:
    rows = [
        [whole.measure, *map(whole.show, (whole.reference, whole.integers, whole.hardware))]
        for whole in explanation.wholes.values()
    ]
    return lay_out_table(("", "float", "integers", "this hardware"), rows)


def _cause_table(explanation: Explanation, measure: str) -> str:
    about = {QUANTISATION: "weights and activations in integers, on ideal hardware"}
    about |= {cause.name: cause.about for cause in CAUSES.values()}
    show = explanation.wholes[measure].show_points
    rows = [
        [
            row.cause,
            *map(show, (row.alone_points, row.share_points, row.low, row.high, row.removed_points)),
            about[row.cause],
        ]
        for row in explanation.shares[measure]
    ]
    return lay_out_table(("cause", "alone", "share", "low", "high", "removed", "meaning"), rows, text_columns=(6,))


def _layer_table(explanation: Explanation) -> str:
    rows = [
        [
            row.layer,
            explanation.whole.show_points(row.share_points),
            f"{row.cosine_points:.2f}",
            "-" if row.snr_db is None else f"{row.snr_db:.1f}",
        ]
        for row in explanation.layer_shares
    ]
    return lay_out_table(("layer", explanation.whole.quantity, "points of cosine", "SNR [dB]"), rows)


def _remedy_table(explanation: Explanation) -> str:
    rows = [
        [
            row.remedy,
            *map(explanation.whole.show_points, (row.points, row.low, row.high)),
            *(f"{value:.3f}" for value in (row.energy_ratio, row.area_ratio, row.delay_ratio)),
            "-" if row.agreement is None else f"{row.agreement:.1f}",
            f"{row.cosine:.4f}",
            "; ".join(REMEDIES[name].about for name in row.remedy.split(" + ")),
        ]
        for row in explanation.gains
    ]
    headings = (
        "remedy", explanation.whole.quantity, "low", "high", "energy", "area", "delay", "agreement [%]", "cosine",
        "meaning",
    )  # fmt: skip
    return lay_out_table(headings, rows, text_columns=(9,))
