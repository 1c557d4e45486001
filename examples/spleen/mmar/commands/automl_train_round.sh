#!/bin/sh
# Trains once in a search: the MMAR is the trial's own copy.
exec "$(dirname "$0")/train.sh" "$@"
