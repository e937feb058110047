#!/usr/bin/env bash
# worst_case_forget, vpns, smug and dqn with --device cuda from outside, on small data: they do there what they do on the CPU, and what
# they write is read by either.   Status 77 without a GPU or without data, or 1 where TENZO_WANT_GPU is set.
#   Usage: studies_cuda.sh FOLDER_OF_PROGRAMS SOURCE_DIR     (programs may be built for the emulated device)
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
programs=$(realpath "$1") data=${TENZO_DATA:-$2/data}
export TENZO_DATA=$data
work_apart

skip() {
  echo "$1"
  [[ ${TENZO_WANT_GPU:-} ]] && exit 1
  exit 77
}
[[ -d $data/digits && -d $data/mri ]] || skip "no data in $data: scripts/fetch"
status=0
"$programs/dqn" control --env cliff --steps 20 --evaluate-every 20 --episodes 1 --out probe --device cuda >out.txt 2>err.txt || status=$?
if ((status == 2)) && grep -q -- '--device cuda: ' err.txt; then skip "$(cat err.txt)"; fi

# close PATTERN FILE FILE TOLERANCE: the numbers that a line says behind the pattern.
close() {
  python3 -c '
import re, sys
pattern, a, b, tolerance = sys.argv[1:5]
x, y = ([float(v) for line in open(f) if re.search(pattern, line) for v in re.findall(r"-?\d+\.\d+", line.split(pattern)[-1])]
        for f in (a, b))
assert len(x) == len(y) > 0, (x, y)
assert all(abs(u - v) <= float(tolerance) for u, v in zip(x, y)), (x, y)' "$@"
}

# ── worst_case_forget ──────────────────────────────────────────────────────────────────────────────────────────────
search() { "$programs/worst_case_forget" search --data digits --upper-iters 2 --lower-epochs 1 --threads 1 "$@"; }
check "a search on the CPU" search --save cpu.json
check "a search on the device" search --save gpu.json --device cuda
check "which finds the same set but for ties" python3 -c '
import json
a, b = (set(json.load(open(f))["forget"]) for f in ("cpu.json", "gpu.json"))
assert len(a) == len(b) and len(a & b) >= 0.9 * len(a), len(a & b)'
judge() { "$programs/worst_case_forget" evaluate --data digits --forget cpu.json --methods ft,rl --threads 1 "$@"; }
judge >cpu.txt
check "judgement on the device" judge --device cuda
judge --device cuda >gpu.txt
check "of the original as on the CPU" close original cpu.txt gpu.txt 3

# ── vpns ───────────────────────────────────────────────────────────────────────────────────────────────────────────
net() { "$programs/vpns" pretrain --source digits --image 16 --epochs 1 --threads 1 "$@"; }
check "a network from the device" net --save net --device cuda
small=(--data digits --image 16 --train 48 --epochs 1 --threads 1 --density 0.3)
check "vpns finds and tunes on the device" "$programs/vpns" sparsify --model net "${small[@]}" --prompt pad:2 --device cuda \
  --save-mask mask --save-prompt prompt --save-mapping mapping --save-model tuned
"$programs/vpns" evaluate --model tuned --mask mask --prompt prompt --mapping mapping --data digits --image 16 >cpu.txt
"$programs/vpns" evaluate --model tuned --mask mask --prompt prompt --mapping mapping --data digits --image 16 --device cuda >gpu.txt
check "what it has written is judged alike by both" close accuracy cpu.txt gpu.txt 0.2
for method in hydra omp snip; do
  check "$method on the device" "$programs/vpns" sparsify --model net "${small[@]}" --method "$method" --device cuda
done

# ── smug ───────────────────────────────────────────────────────────────────────────────────────────────────────────
form=(--width 16 --coils 2 --channels 4 --steps 2 --samples 2 --threads 1)
check "SMUG trains on the device" "$programs/smug" train "${form[@]}" --iterations 6 --tuning 3 --method SMUG --save net.smug --device cuda
attack() { "$programs/smug" attack "${form[@]}" --method SMUG --model net.smug --iters 2 "$@"; }
attack >cpu.txt
attack --device cuda >gpu.txt
check "what it has written is attacked alike by both" close SMUG cpu.txt gpu.txt 0.05

# ── dqn ────────────────────────────────────────────────────────────────────────────────────────────────────────────
play() {
  "$programs/dqn" control --env cartpole --hidden 8 --batch 8 --learning-starts 20 --train-every 4 --evaluate-every 100 --episodes 1 \
    --threads 1 "$@"
}
check "cartpole on the device" play --steps 200 --out whole --device cuda
check "its weights are of the network" test -s whole/seed1.safetensors
check "dueling with layer norms on the device" play --steps 100 --dueling --layer-norm --double --out dueling --device cuda
check "breakout on the device" "$programs/dqn" control --env minatar-breakout --steps 40 --learning-starts 20 --train-every 10 --batch 4 \
  --buffer 100 --evaluate-every 40 --episodes 1 --out breakout --threads 1 --device cuda
wrong "PQN on the device" "compiled for the CPU" "$programs/dqn" control --pqn --out pqn --device cuda

echo "studies on the device: $passed passed, $failed failed"
((failed == 0))
