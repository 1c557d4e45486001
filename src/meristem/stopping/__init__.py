"""When to stop a trial whose learning curve is hopeless, and when to end a study that has enough. Pure."""
