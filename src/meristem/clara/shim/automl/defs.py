"""As in Clara AutoML."""

from meristem.clara import Context as Context
from meristem.clara import ContextKey as ContextKey
from meristem.clara import FloatRange as FloatRange
from meristem.clara import MMARPropKey as MMARPropKey
from meristem.clara import Outcome as Outcome
from meristem.clara import ProcessStatus as ProcessStatus
from meristem.clara import Recommendation as Recommendation
from meristem.clara import SearchResult as SearchResult
from meristem.clara import SearchSpace as SearchSpace
from meristem.clara import Status as Status
