"""Benchmarks of queues and workers, beside Procrastinate, a plain SKIP LOCKED loop and Ray; and the fault run."""
