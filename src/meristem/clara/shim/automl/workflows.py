"""As in Clara AutoML. There is no `Engine`: studies are run by `meristem run` and `meristem mmar tune`."""

from meristem.clara import TestController as TestController
from meristem.clara import WorkerConfig as WorkerConfig
