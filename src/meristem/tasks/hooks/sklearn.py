"""Reports what a scikit-learn estimator came to."""

from __future__ import annotations

from typing import Any

from meristem.errors import InputError
from meristem.tasks.reporting.reporter import Reporter
from meristem.tasks.task import Task

_LONGEST = 100  # importances that are shown


def report_estimator(
    estimator: Any, x: Any = None, y: Any = None, *, name: str = "model", series: str = "test"
) -> None:
    """Reports a fitted estimator: its parameters, score, confusion matrix, importances, and itself as a model.

    A search (GridSearchCV and its like) is reported with the table of all its candidates.

    Args:
        x, y: Data to score it on; without them nothing is scored.
        series: What that data is.

    Raises:
        InputError: There is no task in this process.
    """
    task = Task.current()
    if task is None:
        raise InputError("There is no task to report to.", fix='Begin one: Task.init("project", "name").')
    parameters = {key: value for key, value in estimator.get_params().items() if not hasattr(value, "get_params")}
    task.connect({key: value if _is_plain(value) else repr(value) for key, value in parameters.items()}, name)
    if x is not None and y is not None:
        _report_scores(task, estimator, x, y, name, series)
    if hasattr(estimator, "cv_results_"):
        task.report_table(f"{name} candidates", name, estimator.cv_results_)
    _report_importances(task, getattr(estimator, "best_estimator_", estimator), name)
    task.log_output_model(name, estimator, framework="scikit-learn", metadata={"class": type(estimator).__name__})


def _report_scores(task: Reporter, estimator: Any, x: Any, y: Any, name: str, series: str) -> None:
    task.report_scalar(f"{name} score", series, float(estimator.score(x, y)))
    if getattr(estimator, "classes_", None) is None:
        return
    from sklearn.metrics import confusion_matrix  # its own estimator is here already

    labels = list(estimator.classes_)
    counts = confusion_matrix(y, estimator.predict(x), labels=labels).tolist()
    columns = ["", *map(str, labels)]
    rows = [[str(label), *row] for label, row in zip(labels, counts, strict=True)]
    task.report_table(f"{name} confusion matrix", series, [dict(zip(columns, row, strict=True)) for row in rows])


def _report_importances(task: Reporter, estimator: Any, name: str) -> None:
    importances = getattr(estimator, "feature_importances_", None)
    if importances is None:
        return
    names = getattr(estimator, "feature_names_in_", range(len(importances)))
    ranked = sorted(zip(map(str, names), map(float, importances), strict=True), key=lambda pair: -pair[1])[:_LONGEST]
    bars = {"type": "bar", "orientation": "h", "y": [n for n, _ in ranked][::-1], "x": [v for _, v in ranked][::-1]}
    layout = {"xaxis": {"title": {"text": "importance"}}}
    task.report_plot(f"{name} importances", name, {"data": [bars], "layout": layout})


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))
