"""Under which keys things stand in a context: the names and values that Clara AutoML's components use."""

from __future__ import annotations


class ContextKey:
    """What a workflow keeps in its main context and in each job's.

    Attributes:
        SEARCH_SPACE: The `SearchSpace`.
        RECOMMENDATIONS: Those that have just become available, a list.
        NUM_WORKERS: How many jobs run at a time.
        JOB_NAME: Such as `W1_2_J5`: the worker, from 1; which of its jobs; which of all.
        RECOMMENDATION: The job's own.
        GPUS: The GPU ids of the job's worker, a list; ids that are whole numbers are int.
        CONCRETE_SEARCH_VALUE: PRL to a list of values, one for each argument.
        JOB_STATUS: A `Status`.
        SCORE: What `execute` returned; missing where the job failed.
        PROCESS_EXIT_STATUS: Of the job's process, where its executor sets it.
    """

    CONCRETE_SEARCH_VALUE = "_concreteSearchValue"
    GPUS = "_gpus"
    JOB_NAME = "_jobName"
    JOB_STATUS = "_jobStatus"
    NUM_WORKERS = "_numWorkers"
    PROCESS_EXIT_STATUS = "_processExitStatus"
    RECOMMENDATION = "_recommendation"
    RECOMMENDATIONS = "_recommendations"
    SCORE = "_score"
    SEARCH_SPACE = "_searchSpace"
    TRACE_DEST_FILE = "_traceDestFile"
    TRACE_DEST_TYPE = "_traceDestType"


class MMARPropKey:
    """What executors and handlers of MMARs keep there besides."""

    AUTOML_ROOT = "_automlRoot"
    EXEC_SUBPROCESS = "_execSubprocess"
    JOB_MMAR_ROOT = "_jobMmarRoot"
    JOB_START_TIME = "_jobStartTime"
    RUN_ROOT = "_runRoot"
