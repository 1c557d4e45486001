"""As in Clara AutoML."""

from meristem.clara import Executor as Executor
