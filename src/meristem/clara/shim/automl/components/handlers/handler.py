"""As in Clara AutoML."""

from meristem.clara import Handler as Handler
