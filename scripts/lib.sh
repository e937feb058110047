# Sourced by the other scripts: where the repository is, how to speak, and how to run a stage.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=${TENZO_DATA:-$root/data}       # what scripts/fetch brings
logs=$root/build/logs
export root data logs
# nvcc, where it is not on the path: CUDA's own folder, or what scripts/setup brought.
for folder in /usr/local/cuda "$data/cuda"; do
  if [[ -x $folder/bin/nvcc ]] && ! command -v nvcc >/dev/null; then PATH=$folder/bin:$PATH; fi
done

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# watch LOG: on a terminal shows how far a build is, the last [n/m] of its log, behind the stage's name.
watch() {
  local at
  while sleep 2 && kill -0 $$ 2>/dev/null; do
    at=$(grep -oE '^\[[0-9]+/[0-9]+\]' "$1" | tail -n 1) || continue
    printf '%-10s\e[10D' "$at"
  done
}

# stage NAME COMMAND...: runs the command with its output in a log; one line says how it went and how long it took.
# On failure shows the end of the log and ends the script.
stage() {
  local name=$1 start=$SECONDS log watcher='' status=0
  shift
  log=$logs/${name// /_}.log
  mkdir -p "$logs"
  : >"$log"
  printf '%-28s ' "$name"
  if [[ -t 1 ]]; then
    watch "$log" &
    watcher=$!
  fi
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [[ $watcher ]]; then
    kill "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null || true
  fi
  if ((status == 0)); then
    printf '%5d s    \n' $((SECONDS - start))
  else
    printf 'failed after %d s\n' $((SECONDS - start))
    tail -n "${TENZO_LOG_LINES:-60}" "$log" >&2
    fail "" "$name failed. The whole log: $log"
  fi
}

# build PRESET TARGET...: configures once, builds; without targets everything. In CI warnings are errors in `release`
# (sanitizers make compilers warn of what is not there), and it is built for GPUs as well; sanitizers get of tenzo::core
# what their tests use.
build() {
  local preset=$1
  shift
  local strict=()
  if [[ ${CI:-} == true ]]; then
    case $preset in
      release) strict=(-DTENZO_WERROR=ON -DTENZO_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=90) ;;
      asan) strict=("-DTENZO_CORE_WITHOUT=/(llama|llama_var|models|zo|json/checkpoints).cpp$") ;;
      tsan) strict=("-DTENZO_CORE_WITHOUT=/(llama|llama_var|models|json/checkpoints).cpp$") ;;
    esac
  fi
  (cd "$root" && cmake --preset "$preset" "${strict[@]}" && cmake --build --preset "$preset" ${1:+--target "$@"})
}
