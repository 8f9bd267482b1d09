"""Inputs that were written without looking at the detectors: at least 95 of 100 wrong ones are found, no right one."""

from functools import partial
from typing import NamedTuple

import plausible_second
import plausible_third
import pytest
from plausible_fifth import FIFTH_INPUTS
from plausible_fourth import FOURTH_INPUTS
from plausible_inputs import PLAUSIBLE_INPUTS, RIGHT_KEYS, SHIPPED, WRONG_KEYS, PlausibleInput, find_answer
from plausible_second import SECOND_INPUTS
from plausible_sixth import SIXTH_INPUTS
from plausible_third import THIRD_INPUTS

import xbarsim as xs
from xbarsim.data.plausible import Facts, check_plausible

CHEAP = {*WRONG_KEYS, *RIGHT_KEYS, *(f"hardware {name}" for name in SHIPPED)}


class JudgedSet(NamedTuple):
    """A set of inputs, and what is known of them."""

    inputs: tuple[PlausibleInput, ...]
    wrong: int
    """Number of wrong inputs."""
    right: int
    """Number of right inputs."""
    missed: frozenset[str] = frozenset()
    """Kinds of wrong inputs that are not found."""
    doubted: frozenset[str] = frozenset()
    """Kinds of right inputs that are warned of."""
    elsewhere: frozenset[str] = frozenset()
    """Kinds that are not run here."""


SETS = {
    "first": JudgedSet(PLAUSIBLE_INPUTS, 100, 100, elsewhere=frozenset(CHEAP)),
    "second": JudgedSet(SECOND_INPUTS, 129, 88),
    "third": JudgedSet(THIRD_INPUTS, 126, 96, missed=frozenset({"weights of two bits"})),
    # Scaled digits keep 98 % of their classes and photographs have the range of digits, so that nothing tells them
    # apart; six random rows of weights sometimes guess better than chance.
    "fourth": JudgedSet(
        FOURTH_INPUTS, 112, 111,
        missed=frozenset({
            "calibration of photographs, test images of digits", "digits from 0 to 255",
            "digits from 0 to 16 (scikit-learn's raw digits)", "random weights, never trained",
        }),
    ),
    # its accuracy on hardware is near chance indeed
    "fifth": JudgedSet(
        FIFTH_INPUTS, 109, 108, doubted=frozenset({"images: network of bright samples with little contrast"})
    ),
    # these are warned of and then simulated for half a minute or longer; the command of the set runs them
    "sixth": JudgedSet(
        SIXTH_INPUTS, 108, 106,
        elsewhere=frozenset({
            "programming error in uS", "relaxation in uS", "calibration 0..1, test of raw grey levels 0..16",
        }),
    ),
}  # fmt: skip
"""Every set; the docstrings of their modules say how they were written, and how they were judged at first."""


@pytest.mark.parametrize("name", SETS)
def test_sets_have_as_many_inputs_as_they_say(name):
    known = SETS[name]
    assert [sum(case.is_wrong is wrong for case in known.inputs) for wrong in (True, False)] == [
        known.wrong,
        known.right,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("is_wrong", [True, False])
@pytest.mark.parametrize("name", SETS)
def test_inputs_of_sets_are_judged_right(name, is_wrong):
    known = SETS[name]
    cases = [case for case in known.inputs if case.is_wrong is is_wrong and case.kind not in known.elsewhere]
    judged = {case.kind for case in cases if bool(find_answer(case)) is not is_wrong}
    assert judged == (known.missed if is_wrong else known.doubted)


@pytest.mark.parametrize("is_wrong", [True, False])
def test_units_of_keys_are_judged_right(is_wrong):
    """Those of the first three sets, which take no simulation."""
    first = [case for case in PLAUSIBLE_INPUTS if case.kind in CHEAP and case.is_wrong is is_wrong]
    kinds = dict(plausible_third.WRONG_KEYS if is_wrong else plausible_third.RIGHT_KEYS)
    kinds |= plausible_second.WRONG_KEYS if is_wrong else plausible_second.RIGHT_KEYS
    more = [PlausibleInput(kind=kind, seed=0, is_wrong=is_wrong, run=partial(check, kinds[kind])) for kind in kinds]
    answers = {(case.kind, case.run): find_answer(case) for case in (*first, *more)}
    assert len(first) > 20
    assert len(more) > 100
    assert [kind for (kind, _), answer in answers.items() if bool(answer) is not is_wrong] == []
    assert all(len(answer) <= 420 and "\n" not in answer for answer in answers.values())


def check(changes):
    """What ``xbarsim hardware check`` does, without an estimate."""
    check_plausible(Facts(hardware=xs.load_hardware("reference", changes)))
