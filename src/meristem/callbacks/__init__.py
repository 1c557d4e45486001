"""What a training may use in its own loop. Nothing here needs more than Python, but `handlers`, which needs ignite."""

from meristem.callbacks.early_stop import EarlyStop

__all__ = ["EarlyStop"]
