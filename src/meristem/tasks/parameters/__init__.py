"""Parameters of a task: how they leave the code, and how the values of the store take their place."""
