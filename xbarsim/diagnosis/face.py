"""How an explanation looks in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim.notebook import Face, SmallTable

if TYPE_CHECKING:
    from xbarsim.diagnosis.explanation import Explanation

MOST = 6
"""Causes, layers and remedies that are shown."""


def show_explanation(found: Explanation) -> Face:
    """Return what a notebook shows of an explanation.

    Parameters
    ----------
    found : Explanation
        Result of ``explain``.

    Returns
    -------
    Face
        The whole loss, the largest causes, the layers that lose most and the best remedies.
    """
    whole, made = found.whole, found.provenance
    causes = sorted(found.shares.get(found.measure, ()), key=lambda share: -share.share_points)[:MOST]
    layers = sorted(found.layer_shares, key=lambda share: -share.share_points)[:MOST]
    points = whole.show_points
    facts = [f"{whole.measure} {whole.show(whole.hardware)} (float {whole.show(whole.reference)})"]
    if causes and causes[0].share_points > 0:
        facts.append(f"largest cause {causes[0].cause} ({points(causes[0].share_points)} points)")
    if found.gains:
        facts.append(f"best remedy {found.gains[0].remedy} ({points(found.gains[0].points, sign=True)})")
    unit = "points" if whole.unit == "%" else whole.measure
    return Face(
        title=f"Explanation of {made.network} on {made.hardware}",
        text=", ".join(facts),
        pairs=(
            ("float", whole.show(whole.reference)),
            ("integers", whole.show(whole.integers)),
            ("this hardware", whole.show(whole.hardware)),
            ("lost", f"{points(whole.lost_points)} {unit}"),
        ),
        tables=(
            SmallTable(
                ("cause", f"share [{unit}]", "alone", "low", "high"),
                [
                    (each.cause, *map(points, (each.share_points, each.alone_points, each.low, each.high)))
                    for each in causes
                ],
            ),
            SmallTable(
                ("layer", f"share [{unit}]", "SNR [dB]"),
                [
                    (each.layer, points(each.share_points), "-" if each.snr_db is None else f"{each.snr_db:.1f}")
                    for each in layers
                ],
            ),
            SmallTable(
                ("remedy", f"gain [{unit}]", "energy", "area"),
                [
                    (
                        each.remedy,
                        points(each.points, sign=True),
                        f"x {each.energy_ratio:.2f}",
                        f"x {each.area_ratio:.2f}",
                    )
                    for each in found.gains[:MOST]
                ],
            ),
        ),
        note=".causes, .layers and .remedies are whole tables; .to_html(folder) writes a page",
    )
