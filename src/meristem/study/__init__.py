"""Study, trial and the engine that runs them."""
