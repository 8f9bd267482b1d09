"""A sampler takes one place: a class that is registered is what ``method`` names."""

import json

import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.search import make_search, run_search
from xbarsim.search.sampler import SAMPLERS

CONTENT = {
    "network": "digits", "space": {"*": {"array": [16, 32, 64]}}, "points": 5, "method": "ladder",
    "objectives": {"cost.edap": "min"},
}  # fmt: skip


class Ladder:
    """Walk through the points in order, in steps."""

    def __init__(self, space, *, seed, first, step=1):
        self._points = list(space)[::step]
        self.told = 0

    def ask(self):
        """Return the next point."""
        return self._points.pop(0) if self._points else None

    def tell(self, point, values, violation):
        """Count."""
        self.told += 1


@pytest.fixture(autouse=True)
def ladder(monkeypatch):
    """Register the sampler, and take it out again."""
    monkeypatch.setattr(SAMPLERS, "_classes", dict(SAMPLERS._classes))
    monkeypatch.setattr(SAMPLERS, "_added", dict(SAMPLERS._added))
    xs.register("sampler", "ladder", Ladder)


def test_a_registered_sampler_searches_resumes_and_stands_in_the_store(tmp_path):
    search = make_search({**CONTENT, "settings": {"step": 2}})
    first = run_search(search, tmp_path, cache=None)
    assert [entry.point for entry in first.entries] == list(first.space)[::2][:5]
    about = json.loads((tmp_path / "search.json").read_text())
    assert about["plugins"] == {"sampler:ladder": SAMPLERS.fingerprint("ladder")}
    again = run_search(search, tmp_path, cache=None)
    assert again.entries == first.entries


def test_a_store_of_another_version_of_the_sampler_is_refused(tmp_path):
    run_search(make_search(CONTENT), tmp_path, cache=None)
    SAMPLERS._added["ladder"] = "edited"
    with pytest.raises(ConfigError, match="another search"):
        run_search(make_search(CONTENT), tmp_path, cache=None)


@pytest.mark.parametrize("missing", ["ask", "tell"])
def test_a_class_that_lacks_a_method_is_refused_by_its_name(missing):
    parts = {"__init__": Ladder.__init__, "ask": Ladder.ask, "tell": Ladder.tell}
    del parts[missing]
    with pytest.raises(ConfigError, match=f"has no method {missing}"):
        xs.register("sampler", "climb", type("Climb", (), parts))


def test_a_class_that_cannot_be_called_as_samplers_are_is_refused():
    parts = {"__init__": lambda self, space, *, temperature: None, "ask": Ladder.ask, "tell": Ladder.tell}
    with pytest.raises(ConfigError, match=r"sampler 'climb': Climb\(space, seed=..., first=...\) cannot be called"):
        xs.register("sampler", "climb", type("Climb", (), parts))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "lader"}, "did you mean ladder"),
        ({"settings": {"stride": 2}}, "stride"),
        ({"method": "evolution", "settings": {"population": 4}}, "is configured in its own section, evolution"),
    ],
)
def test_wrong_methods_and_settings_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_search({**CONTENT, **changes})


def test_a_sampler_that_asks_for_what_is_no_point_is_told_so(tmp_path):
    class Beyond(Ladder):
        def ask(self):
            return (99,)

    xs.register("sampler", "beyond", Beyond)
    with pytest.raises(ConfigError, match=r"method: beyond: \(99,\) is not a point of the space"):
        run_search(make_search({**CONTENT, "method": "beyond"}), tmp_path, cache=None)
