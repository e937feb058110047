#!/usr/bin/env bash
# On a machine without a GPU `PROGRAM ... --device cuda` says so in one line and ends with status 2.
#   missing.sh PROGRAM ARGUMENT...      status 77 where there is a GPU
set -euo pipefail
[[ -e /dev/nvidia0 ]] && exit 77
status=0
said=$("$@" --device cuda 2>&1 >/dev/null) || status=$?
printf '%s\n' "$said"
[[ $status == 2 && $(wc -l <<<"$said") == 1 && $said == *"--device cuda: "* ]]
