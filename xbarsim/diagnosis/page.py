"""The page of an explanation: key numbers, causes, layers, remedies, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xbarsim.diagnosis import figures
from xbarsim.diagnosis.cause import CAUSES, QUANTISATION
from xbarsim.diagnosis.explanation import Explanation
from xbarsim.diagnosis.remedy import REMEDIES
from xbarsim.report.csv_table import encode_frame
from xbarsim.report.differences import describe_changes, lay_out_provenance, lay_out_record, list_changes
from xbarsim.report.markup import (
    Head,
    lay_out_card,
    lay_out_figure,
    lay_out_heading,
    lay_out_pairs,
    lay_out_table,
    lay_out_text,
    render_frame,
)
from xbarsim.report.record import describe_record
from xbarsim.report.style import Drawing, save_drawings
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
    tables = {"causes": explanation.causes, "layers": explanation.layers, "remedies": explanation.remedies}
    drawings = save_drawings(lambda: draw_figures(explanation), folder)
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


def render_page(explanation: Explanation, drawings: Mapping[str, Drawing]) -> str:
    """Return the page as text.

    Parameters
    ----------
    explanation : Explanation
        What to show.
    drawings : mapping of str to Drawing
        File name -> figure and what it shows.

    Returns
    -------
    str
        One HTML document without references to other files.
    """
    made = describe_record(explanation.provenance)
    sections = [lay_out_heading("The whole"), _whole_table(explanation)]
    if explanation.shares:
        orders = f"{explanation.orders} orders were drawn." if explanation.orders else "Every set of causes was run."
        sections += [lay_out_heading("Causes"), lay_out_figure(drawings, "causes")]
        sections.append(lay_out_text(f"{_CAUSE_NOTE} {orders}"))
        for measure in explanation.shares:
            heading = f"Loss in {explanation.wholes[measure].quantity}"
            sections += [lay_out_heading(heading, 3), _cause_table(explanation, measure)]
    if explanation.layer_shares:
        sections += [lay_out_heading("Layers"), lay_out_figure(drawings, "layers"), lay_out_text(_LAYER_NOTE)]
        sections.append(_layer_table(explanation))
    if explanation.gains or explanation.refused:
        sections += [lay_out_heading("Remedies"), lay_out_figure(drawings, "remedies"), lay_out_text(_REMEDY_NOTE)]
        sections.append(_remedy_table(explanation))
    if explanation.refused:
        refused = lay_out_pairs(explanation.refused.items(), label="remedies that were not simulated")
        sections += [lay_out_heading("Not simulated", 3), refused]
    sections += [lay_out_heading("Provenance"), lay_out_record(made), lay_out_provenance(made)]
    changes = list_changes(made)
    head = Head(
        title=f"Where {made['network']} loses accuracy on {made['hardware']}",
        subtitle=f"Explained by simulations, seed {made['seed']}, xbarsim {made['version']}, "
        f"hardware {made['hardware_hash']}",
        changes=changes,
        lead=describe_changes(made, changes),
    )
    return render_frame(head, _cards(explanation), sections)


def _cards(explanation: Explanation) -> Iterable[str]:
    whole = explanation.whole
    unit = " points" if whole.unit == "%" else ""

    def show(points: float, decimals: int = 1, *, sign: bool = False) -> str:
        return f"{whole.show_points(points, decimals=decimals, sign=sign)}{unit}"

    value = f"{whole.show(whole.hardware)}, {show(whole.lost_points, 2)} lost"
    about = f"Float network {whole.show(whole.reference)}, integers on ideal hardware {whole.show(whole.integers)}."
    yield lay_out_card(f"{whole.measure} on this hardware", value, [about], is_first=True)
    causes = sorted(explanation.shares.get(whole.measure, ()), key=lambda row: -row.share_points)
    if causes:
        between = f"95 % interval {show(causes[0].low)} to {show(causes[0].high)}."
        after = ", ".join(f"{row.cause} {show(row.share_points)}" for row in causes[1:3])
        yield lay_out_card(
            "largest cause", f"{causes[0].cause}: {show(causes[0].share_points)}",
            [between, f"Then {after}." if after else ""],
        )  # fmt: skip
    if explanation.layer_shares:
        worst = max(explanation.layer_shares, key=lambda row: row.share_points)
        snr = "" if worst.snr_db is None else f"Its ratio of signal to error is {worst.snr_db:.1f} dB."
        yield lay_out_card("largest layer", f"{worst.layer}: {show(worst.share_points)}", [snr])
    if explanation.gains:
        yield _lay_out_remedy(explanation, show)


def _lay_out_remedy(explanation: Explanation, show: Callable[..., str]) -> str:
    """Lay out the best remedy with its trade: what it gives back and what it costs."""
    best = explanation.gains[0]
    ratios = f"energy x {best.energy_ratio:.2f}, delay x {best.delay_ratio:.2f}, area x {best.area_ratio:.2f}"
    if best.points <= 0:
        return lay_out_card("best remedy", "none gains anything", [f"The best one is {best.remedy}: {ratios}."])
    gain = f"95 % interval {show(best.low, sign=True)} to {show(best.high, sign=True)}; {ratios}."
    doubt = "" if best.low > 0 else "The interval includes no gain: try more images or chips."
    keys = f"Try: {'; '.join(REMEDIES[name].about for name in best.remedy.split(' + '))}"
    return lay_out_card("best remedy", f"{best.remedy}: {show(best.points, sign=True)}", [gain, doubt, keys])


def _whole_table(explanation: Explanation) -> str:
    rows = [
        [whole.measure, *map(whole.show, (whole.reference, whole.integers, whole.hardware))]
        for whole in explanation.wholes.values()
    ]
    return lay_out_table(("", "float", "integers", "this hardware"), rows, label="the whole")


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
    headings = ("cause", "alone", "share", "low", "high", "removed", "meaning")
    return lay_out_table(headings, rows, text_columns=(6,), minor=(1, 5), label=f"causes, {measure}")


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
    return lay_out_table(("layer", explanation.whole.quantity, "points of cosine", "SNR [dB]"), rows, label="layers")


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
    return lay_out_table(headings, rows, text_columns=(9,), minor=(2, 3, 7, 8), label="remedies")
