#!/usr/bin/env bash
# Where CUDA shows no GPU `PROGRAM ... --device cuda` says so in one line and ends with status 2. A GPU that is there is
# hidden from the program, so that this is to be seen on every machine.
#   missing.sh PROGRAM ARGUMENT...
set -euo pipefail
status=0
said=$(CUDA_VISIBLE_DEVICES=-1 "$@" --device cuda 2>&1 >/dev/null) || status=$?
printf '%s\n' "$said"
[[ $status == 2 && $(wc -l <<<"$said") == 1 && $said == *"--device cuda: "* ]]
