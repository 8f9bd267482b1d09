"""Search: the cost oracle for external searches, search spaces as data, and searches that use the simulator."""

from xbarsim.search.cache import AnswerCache
from xbarsim.search.design import Design
from xbarsim.search.guided import ModelSampler
from xbarsim.search.lines import answer, answer_lines
from xbarsim.search.local import LocalSampler
from xbarsim.search.oracle import CostOracle
from xbarsim.search.result import Entry, Result
from xbarsim.search.run import evaluate_point, make_sampler, open_space, run_search
from xbarsim.search.sampler import EvolutionSampler, OptunaSampler, RandomSampler, Sampler
from xbarsim.search.space import SearchSlot, Space, make_space
from xbarsim.search.task import Search, load_search, make_search

__all__ = [
    "AnswerCache", "CostOracle", "Design", "Entry", "EvolutionSampler", "LocalSampler", "ModelSampler",
    "OptunaSampler", "RandomSampler", "Result", "Sampler", "Search", "SearchSlot", "Space", "answer", "answer_lines",
    "evaluate_point", "load_search", "make_sampler", "make_search", "make_space", "open_space", "run_search",
]  # fmt: skip
