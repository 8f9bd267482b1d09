"""Progress: a bar on a terminal, plain lines elsewhere."""

import io
import re

import pytest

from xbarsim.cli import _progress
from xbarsim.cli._pace import Pace
from xbarsim.cli._progress import ProgressDisplay, format_duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


def test_short_work_says_nothing_where_there_is_no_terminal(clock):
    stream = io.StringIO()
    with ProgressDisplay(stream) as display:
        for done in range(11):
            display("images", done, 10)
    assert stream.getvalue() == ""


def test_long_work_says_a_plain_line_every_few_seconds_with_the_time_left(clock):
    stream = io.StringIO()
    with ProgressDisplay(stream) as display:
        for done in range(21):
            display("images", done, 20)
            clock[0] += 1.0
    lines = stream.getvalue().splitlines()
    assert lines[0] == "images: 5 of 20, about 15 s left"
    assert len(lines) == 4
    assert "\x1b" not in stream.getvalue()


def test_what_an_earlier_run_has_done_does_not_shorten_the_time_left(clock):
    stream = io.StringIO()
    with ProgressDisplay(stream) as display:
        for done in (150, 155, 160):
            display("points", done, 200)
            clock[0] += 10.0
    assert stream.getvalue().splitlines() == [
        "points: 155 of 200, about 1 min 30 s left",
        "points: 160 of 200, about 1 min 20 s left",
    ]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_two_lines_that_fit_however_many_trials_there_are(monkeypatch, clock, columns):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    stages = ("programming arrays", "images on hardware", "a stage with a name that is much longer than a line")
    with ProgressDisplay(stream) as display:
        display("float reference", 4000, 4000)
        for trial in range(30):
            for stage in stages:
                for done in (0, 5000, 10000):
                    display(f"{stage} (trial {trial + 1} of 30)", done, 10000)
                    clock[0] += 300.0
            height = len(display._bars.tasks)
            stream.seek(0)
            stream.truncate(0)
            display._bars.refresh()
            lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).replace("\r", "\n").split("\n")
            assert max(map(len, lines)) <= columns
            assert height == 2
    assert "all, trial 30 of 30" in stream.getvalue()
    assert "10,000/10,000" in stream.getvalue()


def test_the_time_left_counts_all_trials():
    pace = Pace()
    pace.note("float reference", 10, 10, 0.0)
    assert pace.whole(0.0) == (1.0, 0.0)
    now = 0.0
    seen = []
    for trial in range(4):
        for stage, seconds in (("program", 2.0), ("images", 1.0)):
            for done in range(11):
                pace.note(f"{stage} (trial {trial + 1} of 4)", done, 10, now)
                seen.append((now, pace.whole(now)))
                now += seconds / 10 * (done < 10)
    assert now == pytest.approx(12.0)
    for when, (part, left) in seen:
        if when >= 3.0 + 1e-9:  # one trial is known: all later ones take as long
            assert left == pytest.approx(12.0 - when, abs=0.2)
            assert part == pytest.approx(when / 12.0, abs=0.02)
    parts = [part for when, (part, _) in seen if when >= 3.0]
    assert parts == sorted(parts)
    assert [left for when, (_, left) in seen if 2.3 < when < 2.9] == pytest.approx(
        [12.0 - when for when, _ in seen if 2.3 < when < 2.9], abs=0.5
    )


def test_plain_lines_count_all_trials(clock):
    stream = io.StringIO()
    with ProgressDisplay(stream) as display:
        for trial in range(2):
            for done in range(11):
                display(f"images (trial {trial + 1} of 2)", done, 10)
                clock[0] += 1.0
    assert stream.getvalue().splitlines()[0] == (
        "images (trial 1 of 2): 5 of 10, about 5 s left; 25 % of all, about 15 s left"
    )


def test_a_bar_leaves_with_the_error_that_ends_the_work():
    stream = Terminal()
    display = ProgressDisplay(stream)

    def work():
        with display:
            display("images", 1, 2)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        work()
    assert not display._bars.live.is_started


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3725, "1 h 2 min")]
)
def test_durations_show_two_units(seconds, text):
    assert format_duration(seconds) == text


def test_a_notebook_gets_a_bar_that_goes_away(monkeypatch, clock):
    shown = []

    class Place:
        def update(self, thing):
            shown.append(thing._repr_html_())

    monkeypatch.setattr(_progress, "is_notebook", lambda: True)
    monkeypatch.setattr(_progress, "_open_place", Place)
    with ProgressDisplay(io.StringIO()) as display:
        for done in range(5):
            display("<images>", done, 4)
            clock[0] += 1.0
    assert '<progress value="3" max="4"></progress> &lt;images&gt;: 3 of 4, about 1 s left' in shown
    assert shown[-1] == ""


def test_a_process_without_a_kernel_is_no_notebook(monkeypatch):
    assert not _progress.is_notebook()
    shell = type("Shell", (), {"kernel": None})()
    monkeypatch.setitem(_progress.sys.modules, "IPython", type("IPython", (), {"get_ipython": lambda: shell}))
    assert _progress.is_notebook()
