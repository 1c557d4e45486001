"""As in Clara AutoML."""
