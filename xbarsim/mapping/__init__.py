"""Layer -> arrays -> tiles -> chip: partition, per-layer choices, replicas, placement."""

from xbarsim.mapping.choose import choose_hardware
from xbarsim.mapping.epitome import EpitomePlan, make_tables, plan_epitome
from xbarsim.mapping.layer import LayerDraft, LayerPlan
from xbarsim.mapping.partition import LayerMatrix, Partition, Stripe, describe_matrix, partition_matrix
from xbarsim.mapping.plan import Plan, plan_network, replicate_plan
from xbarsim.mapping.replicate import balance_replicas
from xbarsim.mapping.settle import settle_pulse
from xbarsim.mapping.turn import assign_turns, fit_chips

__all__ = [
    "EpitomePlan", "LayerDraft", "LayerMatrix", "LayerPlan", "Partition", "Plan", "Stripe", "assign_turns",
    "balance_replicas", "choose_hardware", "describe_matrix", "fit_chips", "make_tables", "partition_matrix",
    "plan_epitome", "plan_network", "replicate_plan", "settle_pulse",
]  # fmt: skip
