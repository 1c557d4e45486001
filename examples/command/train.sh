#!/bin/sh
# Fits a polynomial to points.csv by gradient descent: the training program of study.yaml.
#
#     ./train.sh DEGREE RATE PENALTY [MOMENTUM]
#
# Every fifth of the way it appends one JSON line with the loss on held-out points to $MERISTEM_REPORT,
# and the last line, without a step, is the result. Started by hand, it prints these lines instead.
set -eu
cd "$(dirname "$0")"
awk -F, -v degree="$1" -v rate="$2" -v penalty="$3" \
    -v momentum="${4:-0}" -v report="${MERISTEM_REPORT:-/dev/stdout}" \
    -f gradient_descent.awk points.csv
