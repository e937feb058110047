# Sourced by the other scripts: where the repository is, how to speak, and how to run a stage.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=${TENZO_DATA:-$root/data}       # what scripts/fetch brings
logs=$root/build/logs
export root data logs

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# stage NAME COMMAND...: runs the command with its output in a log; one line says how it went and how long it took.
# On failure shows the end of the log and ends the script.
stage() {
  local name=$1 start=$SECONDS log
  shift
  log=$logs/${name// /_}.log
  mkdir -p "$logs"
  printf '%-28s ' "$name"
  if "$@" >"$log" 2>&1 </dev/null; then
    printf '%5d s\n' $((SECONDS - start))
  else
    printf 'failed after %d s\n' $((SECONDS - start))
    tail -n "${TENZO_LOG_LINES:-60}" "$log" >&2
    fail "" "$name failed. The whole log: $log"
  fi
}

# build PRESET TARGET...: configures once, builds; without targets everything. In CI warnings are errors in `release`:
# sanitizers make compilers warn of what is not there.
build() {
  local preset=$1
  shift
  local strict=()
  [[ ${CI:-} == true && $preset == release ]] && strict=(-DTENZO_WERROR=ON)
  (cd "$root" && cmake --preset "$preset" "${strict[@]}" && cmake --build --preset "$preset" ${1:+--target "$@"})
}
