#!/usr/bin/env bash
# dqn from outside: fitted iterations and agents, killed and gone on with, weights, logs and pictures; wrong input gives one line and
# status 2.   Usage: dqn.sh PROGRAM SOURCE_DIR
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
program=$(realpath "$1")
work_apart

# ── convergence ──────────────────────────────────────────────────────────────────────────────────────────────────────
check "fitted iterations" "$program" convergence --mdps 2 --save course.csv
cp out.txt first.txt
# shellcheck disable=SC2016
check "they converge at the rate of theory" awk 'NR > 1 && !($6 < 1e-6 && $9 - $4 < 0.01 && $4 - $9 < 0.01) { bad = 1 } END { exit bad || NR != 3 }' first.txt
check "again on one thread" "$program" convergence --mdps 2 --threads 1 --save again.csv
check "the same errors" cmp course.csv again.csv
check "with samples" "$program" convergence --mdps 1 --samples 200 --iterations 3 --eps 0.3 --layers 2 --width 6

# ── the study ────────────────────────────────────────────────────────────────────────────────────────────────────────
# A two-hundredth of it: what it prints and writes, and that it goes on where it was killed.
study=("$program" --quick --seeds 2 --size 0.005 --breakout)
check "a small study" "${study[@]}" --out study
cp out.txt said.txt
check "checks its processes first" grep -q "^2 processes of seed 1000 on: Bellman residuals up to " said.txt
check "its figures" python3 -c '
import json
m = json.load(open("study/metrics.json"))
assert m["example"] == "dqn" and [c["id"] for c in m["claims"]] == [f"C{i}" for i in range(1, 11)]
assert all(c["seeds"] > 0 for c in m["claims"]) and m["metrics"]["speed/end_to_end"] > 0'
check "its page, with plots and pictures" python3 -c '
import re
page = open("study/report.html").read()
for words in ("Rate of convergence", "Share of starts that converge", "Share of starts whose policy ends worse",
              "Final error by samples", "CartPole by ε", "DeepSea: episodes", "DQN end to end", "policy worse than at first",
              "action gap", " moments from its beginning", "Sticky actions", "Networks 64-64"):
    assert words in page, words
assert re.search(r"--size 0.005: too small to prove anything · .+, [0-9]+ threads?, (g\+\+|clang) [0-9]", page)
assert page.count("data:image/png") == 4 and page.count("<svg") >= 12'
check "no stages are left" test ! -e study/stages.json
check "is killed on its way" kill_when 'grep -qs "\"deepsea\"" torn_study/stages.json' "${study[@]}" --out torn_study
check "was interrupted with stages done" test -s torn_study/stages.json -a ! -e torn_study/metrics.json
wrong "stages of another size" "size 0.005, not 0.02" "$program" --quick --seeds 2 --size 0.02 --breakout --out torn_study --resume
check "goes on" "${study[@]}" --out torn_study --resume
check "with the same figures" python3 -c '
import json
a, b = (json.load(open(f"{d}/metrics.json")) for d in ("study", "torn_study"))
same = lambda m: {k: v for k, v in m["metrics"].items() if not k.startswith("speed/") and not k.endswith("/seconds")}
assert same(a) == same(b) and len(same(a)) > 300
assert [c for c in a["claims"] if c["id"] != "C10"] == [c for c in b["claims"] if c["id"] != "C10"]'

# ── control ──────────────────────────────────────────────────────────────────────────────────────────────────────────
short=(control --steps 6000 --learning-starts 500 --evaluate-every 2000 --episodes 4 --save-every 1000)
check "an agent" "$program" "${short[@]}" --out whole --seeds 2 --render episode.png
check "its files" test -s whole/seed1.safetensors -a -s whole/seed2.csv -a ! -e whole/seed1.run.safetensors
check "a header and episodes" grep -qE '^[0-9]+,episode,' whole/seed1.csv
check "an animation" python3 -c 'b = open("episode.png", "rb").read(); assert b[:8] == b"\x89PNG\r\n\x1a\n" and b"acTL" in b and b"fdAT" in b'
check "weights that others can read" python3 -c 'import json, struct; b = open("whole/seed1.safetensors", "rb").read(); n = struct.unpack("<Q", b[:8])[0]; h = json.loads(b[8:8 + n]); assert h["layers.0.weight"]["shape"] == [120, 4] and h["layers.2.bias"]["shape"] == [2]'
check "the same on one thread" "$program" "${short[@]}" --out single --seeds 2 --threads 1
check "to the byte" cmp whole/seed2.safetensors single/seed2.safetensors

# killed_with FOLDER CHECKPOINT ARGUMENT...: kills a run as soon as there is its checkpoint, as often as it takes to be killed at all.
killed_with() {
  local folder=$1 checkpoint=$1/$2
  shift 2
  for _ in 1 2 3 4 5; do
    rm -rf "$folder"
    kill_when "[[ -e $checkpoint ]]" "$program" "$@" --out "$folder" && return
  done
  return 1
}

long=(control --steps 40000 --learning-starts 500 --evaluate-every 10000 --episodes 4 --save-every 2000 --seed 5)
check "an uninterrupted run" "$program" "${long[@]}" --out calm
check "it was killed on its way" killed_with torn seed5.run.safetensors "${long[@]}"
cp torn/seed5.run.safetensors checkpoint
check "goes on" "$program" "${long[@]}" --out torn --resume
check "with the same weights" cmp calm/seed5.safetensors torn/seed5.safetensors
check "with the same log" cmp calm/seed5.csv torn/seed5.csv

# PQN the same way.
pqn=(control --pqn --hidden "64,64" --steps 30000 --evaluate-every 10000 --episodes 2 --save-every 2000 --seed 3)
check "pqn with other layers" "$program" "${pqn[@]}" --out calm_pqn
check "it was killed on its way" killed_with torn_pqn seed3.run.safetensors "${pqn[@]}"
check "goes on" "$program" "${pqn[@]}" --out torn_pqn --resume
check "with the same weights" cmp calm_pqn/seed3.safetensors torn_pqn/seed3.safetensors
check "with the same log" cmp calm_pqn/seed3.csv torn_pqn/seed3.csv

# The last evaluation is that of the final weights, wherever the grid of evaluations ends.
check "a run that ends between two evaluations" "$program" control --steps 2500 --learning-starts 500 --evaluate-every 1000 --episodes 2 --out between
# shellcheck disable=SC2016
check "is judged at its end" awk -F, '$2 == "greedy" { last = $1 } END { exit last != 2500 }' between/seed1.csv

for env in mountaincar acrobot cliff; do
  check "$env" "$program" control --env "$env" --steps 1500 --learning-starts 300 --evaluate-every 1500 --episodes 1 --out "$env" --render "$env.png"
done
check "deepsea, with all options" "$program" control --env deepsea --side 5 --steps 800 --learning-starts 200 --evaluate-every 800 --episodes 1 --hidden 16 --batch 16 --double --prioritized --alpha 0.5 --beta 0.6 --dueling --layer-norm --n-step 3 --huber 1 --tau 0.5 --optimizer radam --eps geometric:1:0.1:0.999 --out sea
check "by RMSprop" "$program" control --optimizer rmsprop --steps 1000 --learning-starts 200 --evaluate-every 1000 --episodes 1 --hidden 16 --batch 32 --out rms
check "breakout" "$program" control --env minatar-breakout --steps 300 --learning-starts 200 --buffer 1000 --train-every 10 --evaluate-every 300 --episodes 1 --out game --render game.png
check "pqn" "$program" control --pqn --steps 2048 --evaluate-every 1024 --episodes 2 --out pqn

# An emulator in C: a coin that wants to be turned to heads, which are worth 1 or what the environment says, then left. Where there is no compiler it is left out.
if command -v cc >/dev/null; then
  cat >coin.c <<'C'
#include <stdlib.h>
#include "tenzo/rl/emulator.h"
typedef struct { int heads, steps; } coin;
static void* make(void) { return malloc(sizeof(coin)); }
static void begin(void* self, uint64_t seed, float* seen) { coin* c = self; c->heads = seed & 1, c->steps = 0; seen[0] = c->heads; }
static int32_t step(void* self, int32_t a, float* seen, float* reward, int32_t* terminated, int32_t* truncated) {
  coin* c = self;
  const char* worth = getenv("COIN");
  c->heads ^= a, c->steps++;
  seen[0] = c->heads, *reward = c->heads * (worth ? atof(worth) : 1), *terminated = 0, *truncated = c->steps == 10;
  return 0;
}
static const tenzo_emulator table = {1, 2, 1, "coin", make, free, begin, step};
const tenzo_emulator* tenzo_emulator_v1(void) { return &table; }
C
  check "an emulator's header is C" cc -shared -fPIC -Wall -Wextra -Werror -I "$2/include" -o coin.so coin.c
  check "an emulator" "$program" control --env coin.so --steps 2000 --learning-starts 100 --train-every 1 --target-every 50 --batch 32 --hidden 16 --lr 0.01 --gamma 0.5 --evaluate-every 2000 --out coin
  # shellcheck disable=SC2016
  check "learns the coin" awk 'NR == 2 { exit !($3 >= 9.9) }' out.txt
  COIN=1e30 wrong "a loss that is no number" "^dqn: dqn: the loss is inf at step 101 of seed 3; a smaller step size may help" "$program" control --env coin.so --steps 2000 --learning-starts 100 --train-every 1 --batch 32 --hidden 16 --seed 3 --out coin
  wrong "an emulator has no snapshot" "no snapshots" "$program" control --env coin.so --resume --out x
  cc -shared -fPIC -x c -o empty.so - <<<'int nothing;'
  wrong "a library without an emulator" "exports no function" "$program" control --env empty.so --out x
fi
wrong "no library" "can not be loaded" "$program" control --env none.so --out x

# ── wrong input ──────────────────────────────────────────────────────────────────────────────────────────────────────
wrong "no such environment" "unknown environment 'pong'; want one of cartpole" "$program" control --env pong --out x
wrong "no schedule" "want constant:P, linear" "$program" control --eps sometimes --out x
wrong "no probability" "is no probability" "$program" control --eps linear:2:0:100 --out x
wrong "a schedule without length" "a length of 0" "$program" control --eps linear:1:0:0 --out x
wrong "a schedule that rises" "it falls from 0.1 to 0.5" "$program" control --eps geometric:0.1:0.5:0.9 --out x
wrong "negative steps" "at least 1" "$program" control --steps -5 --out x
wrong "a batch above the buffer" "a batch of 128 from a buffer of 10" "$program" control --buffer 10 --out x
wrong "no widths" "want widths" "$program" control --hidden 12,x --out x
wrong "a layer of none" "a hidden layer of 0" "$program" control --hidden 0 --out x
wrong "no side" "at least 1" "$program" control --env deepsea --side 0 --out x
for option in "--prioritized" "--double" "--dueling" "--n-step 3" "--batch 128" "--buffer 9000" "--learning-starts 5" \
  "--train-every 4" "--target-every 9" "--tau 0.5" "--huber 1" "--optimizer adam"; do
  # shellcheck disable=SC2086
  wrong "pqn with $option" "^dqn: ${option%% *}: --pqn has no replay" "$program" control --pqn $option --out x
done
for option in "--hidden 64" "--dueling" "--layer-norm" "--pqn"; do
  # shellcheck disable=SC2086
  wrong "breakout with $option" "^dqn: ${option%% *}: minatar-breakout has a network of its own" "$program" control --env minatar-breakout $option --out x
done
wrong "priorities' exponent without priorities" "^dqn: --alpha: is for --prioritized" "$program" control --alpha 0.5 --out x
wrong "a side without a sea" "^dqn: --side: is for --env deepsea" "$program" control --side 5 --out x
wrong "pqn with layers that are not compiled" "hidden layers of 120,84" "$program" control --pqn --hidden 32 --out x
wrong "no such optimizer" "unknown optimizer 'sgd'; want one of adam, radam, rmsprop" "$program" control --optimizer sgd --out x
wrong "nothing to go on from" "holds no checkpoint" "$program" control --out nothing --resume
wrong "a study of no size" "want a number from 0.001 to 1" "$program" --size 0
wrong "no discount" "0 to 0.999" "$program" convergence --gamma 1
wrong "no states" "at least 1" "$program" convergence --states 0
wrong "no such option" "did you mean --quick" "$program" --quik
wrong "quick and full" "excludes|--full" "$program" --quick --full
mkdir -p damaged other
head -c 5000 checkpoint >damaged/seed5.run.safetensors
wrong "half a checkpoint" "damaged/seed5.run.safetensors" "$program" "${long[@]}" --out damaged --resume
python3 - <<'P'
b = bytearray(open("checkpoint", "rb").read())
b[len(b) // 2] ^= 1
open("damaged/seed5.run.safetensors", "wb").write(b)
P
wrong "a flipped bit" "is damaged" "$program" "${long[@]}" --out damaged --resume
cp checkpoint other/seed5.run.safetensors
wrong "a checkpoint of another run" "is another run" "$program" "${long[@]}" --lr 0.1 --out other --resume
echo "no record" >stages.json
mkdir -p no_study && cp stages.json no_study/
wrong "no record of a study" "stages.json" "$program" --out no_study --resume
wrong "a report where a file is" "is not a folder" "$program" --out checkpoint
wrong "no folder for it" "x/y" "$program" control --out x/y/z

echo "dqn: $passed passed, $failed failed"
((failed == 0))
