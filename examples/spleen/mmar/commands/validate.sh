#!/bin/sh
# Prints the mean Dice of models/model.pt on the held-out volumes.
set -eu
. "$(dirname "$0")/set_env.sh"
exec "$MONAI_PYTHON" "$MMAR_ROOT/custom/train.py" --mmar "$MMAR_ROOT" --evaluate test "$@"
