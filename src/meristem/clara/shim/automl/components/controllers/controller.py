"""As in Clara AutoML."""

from meristem.clara import Controller as Controller
