#!/bin/sh
# Trains; writes models/model.pt and models/train_stats.json. Arguments: --set epochs=2 …
set -eu
. "$(dirname "$0")/set_env.sh"
exec "$MONAI_PYTHON" "$MMAR_ROOT/custom/train.py" --mmar "$MMAR_ROOT" "$@"
