"""What a task captures of the process that it is: its source and its packages."""
