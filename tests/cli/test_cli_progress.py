"""Progress: a bar on a terminal, plain lines elsewhere."""

import io

import pytest

from xbarsim.cli import _progress
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


def test_a_terminal_gets_a_bar_for_each_stage(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    with ProgressDisplay(stream) as display:
        display("program", 1, 2)
        display("images", 3, 10)
        display._bars.refresh()
    assert "program" in stream.getvalue()
    assert "3/10" in stream.getvalue()


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
