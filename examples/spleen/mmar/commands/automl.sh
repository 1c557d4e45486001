#!/bin/sh
# Searches the best configuration, two trainings at a time. Arguments: --trials 36 …
set -eu
. "$(dirname "$0")/set_env.sh"
exec meristem mmar tune "$MMAR_ROOT" --set run_id=test1 workers=0:1 "$@"
