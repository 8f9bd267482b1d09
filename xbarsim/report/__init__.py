"""Results for people and programs: records, tables, JSON, figures and an HTML page."""

from xbarsim.report.array_figures import plot_columns, plot_current_loss, plot_fidelity, plot_node_voltage
from xbarsim.report.document import describe_report, read_json
from xbarsim.report.figures import (
    group_layers,
    plot_accuracy,
    plot_cost_by_component,
    plot_cost_by_layer,
    plot_layer_error,
)
from xbarsim.report.quantity import Column, describe_column
from xbarsim.report.record import CostReport, Provenance, Report, Seconds, tabulate_records

__all__ = [
    "Column", "CostReport", "Provenance", "Report", "Seconds", "describe_column", "describe_report", "group_layers",
    "plot_accuracy", "plot_columns", "plot_cost_by_component", "plot_cost_by_layer", "plot_current_loss",
    "plot_fidelity", "plot_layer_error", "plot_node_voltage", "read_json", "tabulate_records",
]  # fmt: skip
