"""Search: the cost oracle for outside searches, search spaces as data, and searches that ask the simulator."""

from xbarsim.search.cache import AnswerCache
from xbarsim.search.lines import answer, answer_lines
from xbarsim.search.oracle import CostOracle

__all__ = ["AnswerCache", "CostOracle", "answer", "answer_lines"]
