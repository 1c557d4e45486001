"""What a closed loop asks of its user, in Ax's words: a runner that deploys trials, metrics that fetch data."""

from meristem.client.protocols.metric import IMetric
from meristem.client.protocols.runner import IRunner, TrialStatus

__all__ = ["IMetric", "IRunner", "TrialStatus"]
