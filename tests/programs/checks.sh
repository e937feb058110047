# Sourced by the tests of programs: a folder of their own to work in, and checks that are counted.
# shellcheck shell=bash
set -euo pipefail

passed=0 failed=0

# work_apart: goes to a new folder that is removed at the end.
work_apart() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work"
}
check() { # check WHAT COMMAND...
  local what=$1
  shift
  if "$@" >out.txt 2>err.txt; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "failed: $what"
    head -n 5 out.txt err.txt
  fi
}
# wrong WHAT PATTERN COMMAND...: status 2, and one line on stderr that matches.
wrong() {
  local what=$1 pattern=$2 status=0
  shift 2
  "$@" >out.txt 2>why.txt || status=$?
  check "$what: status $status, '$(head -c 200 why.txt)'" test "$status" = 2
  check "$what: one line" test "$(wc -l <why.txt)" = 1
  check "$what: says why" grep -qE "$pattern" why.txt
}
# beyond FILE BYTES: whether a file is larger.
beyond() { [[ -s $1 && $(stat -c %s "$1") -gt $2 ]]; }
# kill_when CONDITION COMMAND...: runs a program and kills it as soon as the condition holds; fails where it never does. Not for
# functions: what is killed then is the shell that runs them.
kill_when() {
  local condition=$1 victim
  shift
  "$@" >out.txt 2>err.txt &
  victim=$!
  for _ in $(seq 12000); do
    if eval "$condition" || ! kill -0 "$victim" 2>/dev/null; then break; fi
    sleep 0.01
  done
  kill -9 "$victim" 2>/dev/null || true
  wait "$victim" 2>/dev/null || true
  eval "$condition"
}
