"""Maps of columns: what a chip says of each column is what its arrays do, and what the layers' records sum up."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ShapeError
from xbarsim.report import plot_columns

SMALL = {"crossbar.rows": 32, "crossbar.cols": 32, "device.programming.sigma": 0.0}


@pytest.fixture(scope="module")
def images():
    return xs.data.normalize_images(xs.data.load_data("digits").images[:8])


def test_columns_lose_nothing_without_wires_and_more_with_more_resistance(images):
    found = [
        xs.program("digits", xs.load_hardware("reference", {**SMALL, **changes}), images).map_columns()
        for changes in ({"crossbar.method": "ideal"}, {"crossbar.r_bl_ohm": 5.0}, {"crossbar.r_bl_ohm": 50.0})
    ]
    np.testing.assert_allclose(found[0]["lost_share"], 0.0, atol=1e-6)
    assert found[0]["fit_rms_lsb"].isna().all()
    means = [each["lost_share"].mean() for each in found]
    assert 0.001 < means[1] < 0.5 * means[2]


def test_the_record_of_a_layer_sums_up_its_columns(images):
    sinh = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}}
    chip = xs.program("digits", xs.load_hardware("reference", {**SMALL, **sinh}), images)
    columns, layers = chip.map_columns(), chip.layers.set_index("name")
    lost = columns.groupby("layer")["lost_share"]
    np.testing.assert_allclose(layers["lost_share"], lost.mean()[layers.index], rtol=1e-6)
    np.testing.assert_allclose(layers["worst_lost_share"], lost.max()[layers.index], rtol=1e-6)
    assert columns["fit_rms_lsb"].max() > layers["fit_rms_lsb"].max() > columns["fit_rms_lsb"].min()


def test_a_map_has_a_panel_of_fits_only_where_responses_are_fitted(images):
    chip = xs.program("digits", xs.load_hardware("reference", SMALL), images)
    columns = chip.map_columns()
    figure = plot_columns(columns)
    assert len(figure.axes) == 2  # map and bar
    drawn = figure.axes[0].get_images()[0].get_array()
    assert drawn.max() == pytest.approx(100 * columns["lost_share"].max())
    assert len(plot_columns(columns.assign(fit_rms_lsb=0.1)).axes) == 4
    with pytest.raises(ShapeError, match=r"columns: no column is given"):
        plot_columns(columns[:0])


def test_a_report_keeps_the_worst_columns_of_each_place(images):
    hardware = xs.load_hardware("reference", SMALL)
    columns = xs.program("digits", hardware, images).map_columns()
    report = xs.simulate("digits", hardware, images)
    worst = columns.groupby("layer")["lost_share"].max()
    kept = report.columns.groupby("layer")["lost_share"]
    assert (kept.size() == 64).all()
    np.testing.assert_allclose(kept.max()[worst.index], worst)
    ideal = xs.load_hardware("reference", {**SMALL, "crossbar.method": "ideal"})
    assert not xs.simulate("digits", ideal, images).columns["lost_share"].any()


@pytest.mark.slow  # pages draw every figure
def test_a_page_draws_the_worst_columns_of_each_place(images, tmp_path):
    report = xs.simulate("digits", xs.load_hardware("reference", SMALL), images)
    assert "the worst column at each of 64 places" in report.to_html(tmp_path).read_text()
    assert (tmp_path / "figures" / "columns.svg").exists()
