"""Task: what a script sees of the task that it is.

    task = meristem.Task.init("demo", "digits")
    settings = task.connect({"lr": 0.1})
    task.report(step=1, accuracy=0.9)

`tasks.live` starts and ends it, `tasks.reporting` writes what it reports, `tasks.operations` does what needs a store.
"""

from __future__ import annotations
