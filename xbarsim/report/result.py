"""The metric of one simulation: a record, and how its values are shown."""

from __future__ import annotations

from dataclasses import dataclass

from xbarsim.report.quantity import show_number


@dataclass(frozen=True, kw_only=True)
class MetricResult:
    """A metric of one network: in float, in integers, and on the hardware."""

    name: str
    """Name of the metric."""
    images: int
    """Number of images."""
    reference: float
    """Float network."""
    quantized: float
    """Integer network on ideal hardware."""
    hardware: float
    """On this hardware, mean over trials."""
    trials: tuple[float, ...]
    """On this hardware, trial by trial."""
    runs: int
    """Trials that were run; 1 where nothing on the hardware is random and one stands for all."""
    interval: tuple[float, float]
    """95 % confidence interval of ``hardware`` over images and chips."""
    higher_is_better: bool
    """Whether higher values are better."""
    unit: str
    """``%`` for shares, which are stored as fractions and displayed in per cent; empty for other metrics."""

    @property
    def degradation(self) -> float:
        """What is lost against the float network; above 0 is worse, whatever the direction."""
        lost = self.reference - self.hardware
        return lost if self.higher_is_better else -lost

    def show(self, value: float) -> str:
        """Write a value of the metric with its unit."""
        return f"{100 * value:.2f} %" if self.unit == "%" else show_number(value)

    @property
    def heading(self) -> str:
        """Name and number of images."""
        return f"{self.name} over {self.images:,} images"

    @property
    def direction(self) -> str:
        """Which value is better."""
        return f"{'higher' if self.higher_is_better else 'lower'} is better"

    @property
    def shown_loss(self) -> str:
        """The degradation with its unit."""
        return f"{100 * self.degradation:.2f} points" if self.unit == "%" else show_number(self.degradation)

    @property
    def shown_interval(self) -> str:
        """Both ends of the interval."""
        low, high = map(self.show, self.interval)
        return f"{low.removesuffix(' %')} to {high}"
