"""Hooks that a script passes to its library, to report what that library measures.

    from meristem.tasks.hooks import xgboost_callback
    xgboost.train(…, callbacks=[xgboost_callback()])

Each reports to the task of this process; without one, to the study's trial, or nowhere. The libraries are imported
when a hook is made, not before.
"""

from meristem.tasks.hooks.lightgbm import lightgbm_callback
from meristem.tasks.hooks.lightning import lightning_logger
from meristem.tasks.hooks.sklearn import report_estimator
from meristem.tasks.hooks.xgboost import xgboost_callback

__all__ = ["lightgbm_callback", "lightning_logger", "report_estimator", "xgboost_callback"]
