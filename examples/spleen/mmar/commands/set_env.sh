# Read by the other commands: which MMAR this is, which Python trains, and how many threads.
MMAR_ROOT=${MMAR_ROOT:-$(cd "$(dirname "$0")/.." && pwd)}
MONAI_PYTHON=${MONAI_PYTHON:-python3}
export MMAR_ROOT OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
