"""A training that draws with matplotlib."""

import matplotlib

from meristem import Task

Task.init("captured", "matplotlib")

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

figure, axes = plt.subplots(num="curves")
axes.plot([1, 2, 3], [0.9, 0.5, 0.3])
axes.set_title("Loss")
plt.savefig("loss.png")
plt.figure("second")
plt.bar(["a", "b"], [1, 2])
plt.show()
