"""What other libraries show or write becomes reports of the task, without changes to the script."""
