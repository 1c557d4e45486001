"""Workers: processes that lease tasks from queues and run them."""
