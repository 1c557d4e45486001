"""Dataset versions beside DVC: speed, size, memory, and a fault run."""
