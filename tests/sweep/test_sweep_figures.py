"""Figures and the page of a sweep: what they are made from, that they are drawn, and how fast."""

import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sweep_samples import GRID, cheap_backend, fill, make_plan, plan_of, write_invented

import xbarsim.cli
from xbarsim.errors import ConfigError
from xbarsim.report.judge import choose_judge, compare_outputs
from xbarsim.sweep.analysis import find_factors, find_front, rank_effects
from xbarsim.sweep.figures import plot_lines
from xbarsim.sweep.page import write_sweep_page
from xbarsim.sweep.run import run_sweep
from xbarsim.sweep.store import LOG, SweepStore, read_store
from xbarsim.sweep.table import tabulate_points, write_tables


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_invented(tmp_path_factory.mktemp("drawn"), 100).parent


def test_the_page_holds_every_kind_of_figure_and_opens_offline(drawn):
    page = (drawn / "index.html").read_text()
    names = sorted(path.stem for path in (drawn / "figures").glob("*.png"))
    assert names == [
        "front", "heat", "lines_accuracy_hardware", "lines_cost_edap", "lines_cost_energy_joule", "sensitivity",
    ]  # fmt: skip
    assert page.count('<svg class="broad"') == page.count('<svg class="narrow"') == len(names)
    marked = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!#|data:)[^"]*"|url\((?!#)', marked)
    assert "100 of 210" in page
    assert "still to come" in page


def test_a_running_sweep_can_be_looked_at(tmp_path):
    seen = []

    def look(stage, done, total):
        if done == 30:
            seen.append(write_sweep_page(tmp_path).read_text())

    run_sweep(make_plan(), tmp_path, backend=cheap_backend(), progress=look)
    assert "30 of 60" in seen[0]
    assert "60 of 60" in write_sweep_page(tmp_path).read_text()


def test_points_that_failed_are_listed_with_their_error(tmp_path):
    run_sweep(make_plan(), tmp_path, backend=cheap_backend("make_failing"))
    page = write_sweep_page(tmp_path).read_text()
    assert "Points that failed" in page
    assert "did not converge" in page


@pytest.mark.slow
def test_ten_thousand_points_open_and_plot_in_seconds(tmp_path):
    axes = {**GRID, "device.cell_bits": [1, 2, 4], "dac.bits": [1, 2, 4, 8], "weight_bits": [4, 5, 6, 8]}
    plan = plan_of(axes)
    assert len(plan.points) == 10080
    fill(tmp_path, plan)
    started = time.process_time()
    stored = read_store(tmp_path)
    table = tabulate_points(stored.document, stored.results)
    opened = time.process_time() - started
    write_sweep_page(tmp_path)
    with SweepStore(tmp_path, plan) as store:
        write_tables(store, stored.document)
    total = time.process_time() - started
    assert len(table) == 10080
    assert opened < 4
    assert total < 25  # a few seconds on a machine of its own
    assert (tmp_path / "index.html").stat().st_size < 5e6


def test_random_designs_are_drawn_too(tmp_path):
    axes = {"adc.bits": {"from": 3, "to": 8}, "crossbar.rows": [64, 128],
            "device.programming.sigma": {"from": 0.0, "to": 0.3}}  # fmt: skip
    plan = plan_of(axes, design={"kind": "latin_hypercube", "points": 120, "seed": 2})
    fill(tmp_path, plan)
    write_sweep_page(tmp_path)
    stored = read_store(tmp_path)
    table = tabulate_points(stored.document, stored.results)
    factors = {factor.name: factor for factor in find_factors(table, stored.document)}
    assert factors["device.programming.sigma"].is_continuous
    effects = rank_effects(table, list(factors.values()), "accuracy.hardware")
    assert [effect.factor for effect in effects][:2] == ["adc.bits", "device.programming.sigma"]


def test_effects_of_a_full_grid_add_up_and_name_the_strongest(tmp_path):
    plan = plan_of()
    fill(tmp_path, plan)
    stored = read_store(tmp_path)
    table = tabulate_points(stored.document, stored.results)
    factors = find_factors(table, stored.document)
    assert [factor.name for factor in factors] == ["adc.bits", "crossbar.rows", "device.programming.sigma"]
    effects = {effect.factor: effect for effect in rank_effects(table, factors, "cost.edap")}
    # edap is a product of powers of two of the parameters: its logarithm has no interactions
    assert sum(effect.share for effect in effects.values()) == pytest.approx(1)
    assert effects["device.programming.sigma"].share == pytest.approx(0, abs=1e-12)
    assert effects["adc.bits"].high / effects["adc.bits"].low == pytest.approx(2**5)


@given(hnp.arrays(float, st.tuples(st.integers(1, 30), st.just(2)), elements=st.integers(0, 8).map(float)))
def test_a_front_holds_the_points_that_no_other_beats(points):
    cost, value = points.T
    front = find_front(cost, value)
    found = {tuple(points[i]) for i in front}
    expected = {
        tuple(p) for p in points
        if not any(q[0] <= p[0] and q[1] >= p[1] and (q[0] < p[0] or q[1] > p[1]) for q in points)
    }  # fmt: skip
    assert found == expected
    assert len(found) == len(front)


def test_a_folder_without_a_sweep_or_without_results_says_so(tmp_path):
    with pytest.raises(ConfigError, match="contains no sweep"):
        write_sweep_page(tmp_path)
    with SweepStore(tmp_path, make_plan()):
        pass
    with pytest.raises(ConfigError, match="no point is finished yet"):
        write_sweep_page(tmp_path)


SWEEP = """
network: digits
axes: {adc.bits: [5, 6, 7], crossbar.rows: [64, 128], crossbar.cols: same as crossbar.rows}
metrics: [cost.energy_joule, cost.delay_s, cost.edap]
"""


@pytest.fixture
def command(capfd):
    def run(*arguments):
        code = xbarsim.cli.run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_command_line_counts_runs_goes_on_and_draws(tmp_path, command):
    file, out = tmp_path / "sweep.yaml", tmp_path / "out"
    file.write_text(SWEEP)
    code, text, _ = command("sweep", file, "--out", out, "--dry-run")
    assert (code, out.exists()) == (0, False)
    assert text.startswith("6 points\n6 to compute, about ")
    code, text, _ = command("sweep", file, "--out", out, "--workers", 1)
    assert code == 0
    assert "6 of 6 points done, 6 computed now" in text
    code, text, _ = command("sweep", file, "--out", out)
    assert "6 of 6 points done, 0 computed now" in text
    code, text, _ = command("sweep", file, "--out", out, "--dry-run")
    assert text == "6 points, 6 already there\nnothing to compute\n"
    code, text, _ = command("report", out)
    assert (code, text) == (0, f"wrote {out / 'index.html'}\n")
    assert {path.name for path in out.iterdir()} == {
        "index.html", "figures", "points.csv", "points.parquet", "points.log", "sweep.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("network: digits\naxes: {adc.bitz: [1]}\n", (), "axes.adc.bitz: adc.bitz: unknown key; did you mean bits?"),
        ("network: digits\ntrails: 2\n", (), "trails: unknown key; did you mean trials?"),
        (SWEEP, ("--workers", 0), "--workers 0: should be 1 or more"),
        (SWEEP, ("--workers", 2, "--dask", "tcp://x:1"), "--workers: cannot be combined with --dask"),
        (SWEEP, ("--tls-ca", "x.pem"), "only together with --dask"),
    ],
)  # fmt: skip
def test_wrong_input_ends_in_one_line_and_exit_code_2(tmp_path, command, content, options, message):
    (tmp_path / "sweep.yaml").write_text(content)
    code, text, error = command("sweep", tmp_path / "sweep.yaml", "--out", tmp_path / "out", *options)
    assert (code, text) == (2, "")
    assert message in error
    assert error.count("\n") == 1


def test_a_full_disk_ends_in_exit_code_3(tmp_path, command, monkeypatch):
    import os

    (tmp_path / "sweep.yaml").write_text(SWEEP)
    real = os.fsync

    def fsync(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").resolve().name == LOG and os.fstat(descriptor).st_size > 1500:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        code, _, error = command("sweep", tmp_path / "sweep.yaml", "--out", tmp_path / "out")
    assert code == 3
    assert "No space left on device" in error
    assert "finished points are kept" in error
    code, text, _ = command("sweep", tmp_path / "sweep.yaml", "--out", tmp_path / "out")
    assert (code, "6 of 6 points done" in text) == (0, True)


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(tmp_path):
    """Their throughput is measured by benchmarks/speed/sweep.py: other work on the machine must not fail a test."""
    axes = {
        "adc.bits": [4, 6],
        "crossbar.rows": [32, 64, 128],
        "crossbar.cols": "same as crossbar.rows",
        "device.programming.sigma": {"from": 0, "to": 0.2, "step": 0.05},
    }
    plan = plan_of(axes, trials=2)
    assert len(plan.points) == 30
    for count in (1, 2):
        assert run_sweep(plan, tmp_path / str(count), workers=count).done == 30
    one, two = (tmp_path / str(count) / "points.csv" for count in (1, 2))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("columns", [80, 200])
def test_the_table_of_a_sweep_fits_the_terminal_and_breaks_no_word(tmp_path, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    metrics = ["cost.edap", "cost.energy_joule", "cost.delay_s", "cost.area_m2", "cost.power_watt", "cost.tops"]
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"network: digits\nhardware: [reference, isaac]\nmetrics: [{', '.join(metrics)}]\n"
        "axes: {adc.bits: [5, 6], device.programming.sigma: [0.0, 0.05]}\n"
    )
    assert xbarsim.cli.run(["sweep", str(file), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    table = shown[: shown.index("8 of 8 points done")]
    assert max(map(len, table.splitlines())) <= columns
    assert "…" not in shown
    assert "reference" in shown
    assert "programming" in shown
    assert ("points.csv holds all" in shown) == (columns == 80)
    assert ("throughput" in shown or "TOPS" in shown) == (columns == 200)


def test_the_page_writes_a_sweeps_settings_in_words(drawn):
    text = (drawn / "index.html").read_text()
    assert "from 0, to 0.3, count 7" in text
    assert "same as crossbar.rows" in text
    assert "{&" not in text
    assert "None" not in re.sub(r"<(svg|script).*?</\1>", "", text, flags=re.DOTALL)


def test_a_metric_of_a_few_decades_gets_more_than_one_label():
    table = pd.DataFrame({"adc.bits": [4, 5, 6], "network": "digits", "cost.energy_joule": [0.3e-6, 1e-6, 4e-6]})
    factors = find_factors(table.assign(hardware="reference"), {"axes": [["adc.bits"]]})
    axes = plot_lines(table, "cost.energy_joule", factors).axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert len([tick for tick in axes.get_yticks() if low <= tick <= high]) >= 3


def table_of(rows, axis="adc.bits"):
    """Return a table of points of one network."""
    return pd.DataFrame(rows).assign(network="digits", hardware="reference", status="done")


def draw_bands(table, by=None):
    """Return the corners of every band of a figure of accuracy, (points, 2)."""
    axes = [["adc.bits"], *([[by]] if by else [])]
    factors = find_factors(table, {"axes": axes})
    figure = plot_lines(table, "accuracy.hardware", factors[:1], factors[1] if by else None)
    return [path.vertices for band in figure.axes[0].collections for path in band.get_paths()]


def test_no_band_is_drawn_over_designs(tmp_path):
    rows = [{"adc.bits": bits, "crossbar.rows": size, "accuracy.hardware": 0.1 * bits - 1e-3 * size,
             "accuracy.low": 0.0, "accuracy.high": 1.0} for bits in (4, 6, 8) for size in (32, 64, 128)]  # fmt: skip
    assert draw_bands(table_of(rows)) == []
    assert len(draw_bands(table_of(rows), "crossbar.rows")) == 3  # one simulation a point: its own interval


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-0.5, 0.9), st.floats(0.1, 1.5)), min_size=2, max_size=6))
@settings(max_examples=15, deadline=None)
def test_every_band_lies_within_the_bounds_of_its_metric(points):
    rows = [{"adc.bits": number, "accuracy.hardware": value, "accuracy.low": value + low, "accuracy.high": value + high}
            for number, (value, low, high) in enumerate(points)]  # fmt: skip
    for corners in draw_bands(table_of(rows)):
        assert corners[:, 1].min() >= 0
        assert corners[:, 1].max() <= 100


@pytest.mark.parametrize(("noise", "widest"), [(0.02, 1.35), (0.5, 2.2)])
def test_bands_agree_with_a_bootstrap_over_images_and_chips(noise, widest):
    """8 chips and 400 images; a bootstrap draws both, and Student's quantile of 8 chips is 1.29 times as wide.

    Images are as hard on every chip (noise 0.02), or fail on one chip and not on another: then bands are wider.
    """
    rng, rows, wanted = np.random.default_rng(4), [], []
    hard, judge = rng.random(400), choose_judge("top1")
    for bits, share in ((5, 0.6), (6, 0.8), (8, 0.9)):
        skill = share + rng.normal(0, 0.02, (8, 1)) + rng.normal(0, noise, (8, 400))
        outputs = np.stack([hard < skill, hard >= skill], axis=2).astype(float)
        found = compare_outputs(judge, outputs[0], outputs[0], outputs, np.zeros(400, int), runs=8, seed=0)
        ends = {"accuracy.low": found.interval[0], "accuracy.high": found.interval[1]}
        rows.append({"adc.bits": bits, "accuracy.hardware": found.hardware, **ends})
        right = outputs[..., 0]
        picks = [right[rng.integers(8, size=8)][:, rng.integers(400, size=400)].mean() for _ in range(2000)]
        wanted.append(100 * np.ptp(np.quantile(picks, [0.025, 0.975])))
    (corners,) = draw_bands(table_of(rows))
    ratios = np.array([np.ptp(corners[corners[:, 0] == row["adc.bits"], 1]) for row in rows]) / wanted
    assert ratios.min() > 0.9
    assert ratios.max() < widest


def test_the_best_design_is_named_with_its_trades(drawn):
    page = (drawn / "index.html").read_text()
    card = page[page.index("<dl class") : page.index("</div>", page.index("<dl class"))]
    stored = read_store(drawn)
    table = tabulate_points(stored.document, stored.results)
    near = table[table["accuracy.hardware"] >= table["accuracy.hardware"].max() - 0.01]
    best, least = near.loc[near["cost.edap"].idxmin()], table.loc[table["cost.edap"].idxmin()]
    assert f"adc.bits {best['adc.bits']}, crossbar.rows {best['crossbar.rows']}" in card
    gained = 100 * (best["accuracy.hardware"] - least["accuracy.hardware"])
    trade = f"accuracy {gained:+.2f} points, EDAP x {best['cost.edap'] / least['cost.edap']:.3g}."
    assert f"Against the lowest EDAP (adc.bits {least['adc.bits']}, " in card
    assert trade in card
    assert "within 1 point of the most accurate design" in card


def test_the_head_says_what_the_sweep_changes_of_the_hardware_file(drawn):
    page = (drawn / "index.html").read_text()
    assert "<h1>Sweep: digits on reference</h1>" in page
    listed = [re.sub("<.*?>", "", item) for item in re.findall(r"<li>(.*?)</li>", page)]
    assert "adc.bits 3, 4, 5, 6, 7, 8 instead of 8" in listed
    assert "device.programming.sigma from 0, to 0.3, count 7 instead of 0.05" in listed
