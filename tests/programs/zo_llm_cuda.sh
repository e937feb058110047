#!/usr/bin/env bash
# zo_llm --device cuda from outside, on the small model that ships: every method trains; a run on the device replays on either
# device to the same bytes, and so does one of the CPU; losses and texts agree with the CPU's.   Status 77 without a GPU, or 1 where
# TENZO_WANT_GPU is set.
#   Usage: zo_llm_cuda.sh PROGRAM SOURCE_DIR     (PROGRAM may be one built for the emulated device)
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
program=$(realpath "$1") shipped=$2/examples/zo_llm/data
model=$shipped/small.gguf
work_apart

printf 'a good film\nnot at all what they said it would be\n' >texts.txt
status=0
"$program" score --model "$model" --text texts.txt --json gpu.json --device cuda >out.txt 2>err.txt || status=$?
if ((status == 2)) && grep -q -- '--device cuda: ' err.txt; then
  cat err.txt
  [[ ${TENZO_WANT_GPU:-} ]] && exit 1
  exit 77
fi

few=(--data "$shipped" --train 64 --dev 16 --test 16 --eval-every 4 --batch 4 --steps 3 --lr 1e-4)
tune() { "$program" finetune --model "$model" "${few[@]}" --eps 1e-3 "$@"; }
exact() { "$program" finetune --model "$model" "${few[@]}" "$@"; }  # methods without differences
replay() { "$program" replay --model "$model" "$@"; }
# Numbers of two JSON files of one form, within a tolerance of floats.
near() {
  python3 -c '
import json, sys
def walk(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for k in a: walk(a[k], b[k])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b): walk(x, y)
    elif isinstance(a, float): assert abs(a - b) <= 2e-4 * max(1, abs(b)), (a, b)
    else: assert a == b, (a, b)
walk(*(json.load(open(f)) for f in sys.argv[1:3]))' "$1" "$2"
}

check "scoring on the device" test "$status" = 0
check "scoring on the CPU" "$program" score --model "$model" --text texts.txt --json cpu.json
check "both score alike" near gpu.json cpu.json

for dtype in f32 bf16; do
  check "$dtype: trains" tune --device cuda --dtype $dtype --log gpu.zolog --save gpu.gguf
  check "$dtype: replayed on the CPU" replay --log gpu.zolog --save a.gguf
  check "$dtype: the bits of the device's run" cmp gpu.gguf a.gguf
  check "$dtype: replayed on the device" replay --log gpu.zolog --device cuda --save b.gguf
  check "$dtype: the same bits" cmp gpu.gguf b.gguf
  check "$dtype: trains on the CPU" tune --dtype $dtype --log cpu.zolog --save cpu.gguf
  check "$dtype: its log replayed on the device" replay --log cpu.zolog --device cuda --save c.gguf
  check "$dtype: the bits of the CPU's run" cmp cpu.gguf c.gguf
  rm -f ./*.zolog ./*.gguf
done
for method in zo-mmt zo-cons zo-sign zo-adam; do
  check "$method: trains" tune --device cuda --method $method --log gpu.zolog --save gpu.gguf
  check "$method: replayed on the CPU" replay --log gpu.zolog --save a.gguf
  check "$method: the same bits" cmp gpu.gguf a.gguf
  rm -f ./*.zolog ./*.gguf
done
for method in forward-grad sgd adam; do
  check "$method: trains" exact --device cuda --method $method --save gpu.gguf
done
check "hybrid: trains" tune --device cuda --method hybrid --save gpu.gguf
for scheme in lora head; do
  check "$scheme: trains" tune --device cuda --scheme $scheme --save gpu.gguf
done
for scheme in prefix prompt; do
  check "$scheme: trains" tune --device cuda --scheme $scheme --save-adapter gpu_$scheme
done
check "low rank, two queries" tune --device cuda --rank 2 --queries 2 --log gpu.zolog --save gpu.gguf
check "low rank replayed on the CPU" replay --log gpu.zolog --save a.gguf
check "low rank: the same bits" cmp gpu.gguf a.gguf
check "evaluates" "$program" evaluate --model "$model" --data "$shipped" --test 16 --device cuda
say() { "$program" generate --model "$model" --prompt 'a good' --tokens 8 "$@"; }
check "generates" say --device cuda
cp out.txt said_there.txt
check "generates on the CPU" say
cp out.txt said_here.txt
check "the same text" cmp said_there.txt said_here.txt

echo "zo_llm --device cuda: $passed passed, $failed failed"
((failed == 0))
