"""Components as somebody wrote them for Clara AutoML, who never heard of Meristem."""

import json
import random
import threading
import time

from automl.components.controllers.controller import Controller
from automl.components.executors.executor import Executor
from automl.components.handlers.handler import Handler
from automl.defs import Context, ContextKey, MMARPropKey, Outcome, Recommendation, SearchResult, SearchSpace


class Range:
    def __init__(self, low, high):
        self.min = low
        self.max = high


class RandomController(Controller):
    def __init__(self, max_rounds=10, at_once=3):
        Controller.__init__(self)
        self.max_rounds = max_rounds
        self.at_once = at_once
        self.round = 0
        self.rec_count = 0
        self.space = None
        self.best_score = None
        self.best_id = None

    def set_search_space(self, space, ctx):
        if not isinstance(space, SearchSpace):
            ctx.stop_work(self, "this is no search space")
            return
        for prl in space.targets:
            if ".enum" not in prl and ".float" not in prl:
                raise ValueError("unsupported range " + prl)
        self.space = space

    def _sample(self):
        values = {}
        for prl, v in self.space.targets.items():
            if ".enum" in prl:
                values[prl] = random.randint(0, len(v) - 1)
            if ".float" in prl:
                values[prl] = random.uniform(v[0].min, v[0].max)
        self.rec_count += 1
        return Recommendation(self.rec_count, SearchResult(self.space, values))

    def initial_recommendation(self, ctx):
        return [self._sample() for _ in range(self.at_once)]

    def refine_recommendation(self, outcome: Outcome, ctx: Context):
        self.round += 1
        if self.best_score is None or outcome.score > self.best_score:
            self.best_score = outcome.score
            self.best_id = outcome.recommendation_id
        if self.round >= self.max_rounds:
            ctx.stop_work(self, f"reached max rounds: {self.max_rounds}")
            return []
        return [self._sample()]

    def shutdown(self, ctx):
        ctx.trace(self, f"best is {self.best_score} of {self.best_id}")


class ToyExecutor(Executor):
    """Its own search space; the score is best where lr is 0.3 and the net is large."""

    def __init__(self, fail_at=None, stop_at=None, seconds=0.0, log=None):
        Executor.__init__(self)
        self.fail_at = fail_at
        self.stop_at = stop_at
        self.seconds = seconds
        self.log = log
        self.count = 0
        self.count_lock = threading.Lock()

    def determine_search_space(self, ctx):
        assert threading.current_thread() is threading.main_thread()
        space = SearchSpace()
        space.targets = {
            "lr.float": [Range(0.0, 1.0)],
            "net.enum.model$0:size,act": [["small", 1], ["large", 2]],
        }
        return space

    def execute(self, recommendation, ctx):
        assert threading.current_thread() is not threading.main_thread()
        with self.count_lock:
            self.count += 1
            count = self.count
        if count == self.fail_at:
            raise RuntimeError("out of memory")
        if count == self.stop_at:
            ctx.stop_work(self, "the disk is full")
        values = recommendation.result.values
        concrete = ctx.get_prop(ContextKey.CONCRETE_SEARCH_VALUE)
        assert concrete["lr.float"] == [values["lr.float"]]
        assert len(concrete["net.enum.model$0:size,act"]) == 2
        ctx.set_prop("aborted", False)
        end = time.time() + self.seconds
        while time.time() < end and not ctx.get_prop("aborted"):
            time.sleep(0.01)
        ctx.set_prop("executed_by", threading.current_thread().name)
        return 1.0 - abs(values["lr.float"] - 0.3) + values["net.enum.model$0:size,act"]

    def abort(self, ctx):
        ctx.set_prop("aborted", True)
        self._write("abort " + ctx.get_prop(ContextKey.JOB_NAME))

    def shutdown(self, ctx):
        self._write("shutdown executor")

    def _write(self, line):
        if self.log:
            with open(self.log, "a") as f:
                f.write(json.dumps({"what": line}) + "\n")


class LogHandler(Handler):
    """Writes what it is told, and which keys it finds."""

    def __init__(self, log, name="", stop_threshold=None):
        self.log = log
        self.name = name
        self.stop_threshold = stop_threshold
        self.lock = threading.Lock()

    def _write(self, what, ctx, *keys):
        found = {}
        for key in keys:
            value = ctx.get_prop(key, "missing")
            found[key] = value if isinstance(value, (int, float, str, list, dict)) else type(value).__name__
            if key == ContextKey.RECOMMENDATIONS:
                found[key] = [r.result.dump() for r in value]
        found["stop"] = ctx.get_stop_message()
        with self.lock, open(self.log, "a") as f:
            f.write(json.dumps({"who": self.name, "what": what, **found}) + "\n")

    def startup(self, ctx):
        self._write("startup", ctx)

    def start_automl(self, ctx):
        self._write("start_automl", ctx)

    def search_space_available(self, ctx):
        self._write("search_space_available", ctx, ContextKey.SEARCH_SPACE, ContextKey.NUM_WORKERS)

    def recommendations_available(self, ctx):
        self._write("recommendations_available", ctx, ContextKey.RECOMMENDATIONS)

    def start_job(self, ctx):
        ctx.set_prop("started", time.time())
        self._write("start_job", ctx, ContextKey.JOB_NAME, ContextKey.RECOMMENDATION, ContextKey.GPUS)

    def end_job(self, ctx):
        assert ctx.get_prop("started") <= time.time()
        self._write(
            "end_job",
            ctx,
            ContextKey.JOB_NAME,
            ContextKey.JOB_STATUS,
            ContextKey.SCORE,
            ContextKey.CONCRETE_SEARCH_VALUE,
            MMARPropKey.JOB_MMAR_ROOT,
            "executed_by",
        )
        score = ctx.get_prop(ContextKey.SCORE)
        if self.stop_threshold is not None and score is not None and score >= self.stop_threshold:
            ctx.stop_work(self, f"good enough: {score}")

    def end_automl(self, ctx):
        self._write("end_automl", ctx)

    def round_ended(self, ctx):
        self._write("round_ended", ctx)

    def shutdown(self, ctx):
        self._write("shutdown", ctx)


class Dispatcher(Handler):
    """Takes events as they come."""

    def __init__(self, log):
        self.log = log

    def handle_event(self, event, ctx):
        Handler.handle_event(self, event, ctx)
        with open(self.log, "a") as f:
            f.write(json.dumps({"who": "dispatcher", "what": event}) + "\n")

    def end_job(self, ctx):
        with open(self.log, "a") as f:
            f.write(json.dumps({"who": "dispatcher", "what": "in end_job"}) + "\n")
