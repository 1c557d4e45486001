"""A training that logs to TensorBoard."""

import numpy as np
from tensorboardX import SummaryWriter

from meristem import Task

Task.init("captured", "tensorboard")

with SummaryWriter("runs") as writer:
    for step in range(5):
        writer.add_scalar("loss/train", 1.0 / (step + 1), step)
        writer.add_scalar("accuracy", 0.5 + step / 10, step)
    writer.add_image("sample", np.zeros((3, 8, 8), dtype=np.float32), 4)
    writer.add_text("note", "all is well", 4)
