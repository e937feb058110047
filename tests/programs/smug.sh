#!/usr/bin/env bash
# smug from outside, on a T1 volume: trains a network and attacks it, writes a report, goes on where it was killed; wrong input
# gives one line and status 2.   Status 77 where scripts/fetch has not brought the volumes.   Usage: smug.sh PROGRAM SOURCE_DIR
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
program=$(realpath "$1") volumes=${TENZO_DATA:-$2/data}/mri
[[ -s $volumes/ch2.nii.gz ]] || exit 77
work_apart

small=(--width 32 --coils 2 --channels 4 --steps 3)
check "trains a network" "$program" train "${small[@]}" --iterations 60 --tuning 20 --save net.safetensors
cp out.txt trained.txt
# shellcheck disable=SC2016
check "better than zero-filled" awk '/^zero-filled/ { found = $5 + 0 > $2 + 0 } END { exit !found }' trained.txt
check "the same on one thread" "$program" train "${small[@]}" --iterations 60 --tuning 20 --threads 1 --save again.safetensors
check "the same bits" cmp net.safetensors again.safetensors
for how in "--domain kspace --norm l2 --eps 0.2" "--domain kspace --norm linf --eps 0.02 --eot 2" \
  "--domain image --norm linf --eps 0.01 --masked"; do
  # shellcheck disable=SC2086
  check "attacks it, $how" "$program" attack "${small[@]}" --model net.safetensors --iters 4 $how
  cp out.txt attacked.txt
  # shellcheck disable=SC2016
  check "it is worse then, $how" awk '/attacked/ { found = $6 + 0 < $3 + 0 } END { exit !found }' attacked.txt
done
check "weighted ones have files, too" "$program" train "${small[@]}" --method "weighted SMUG" --iterations 4 --tuning 2 --save weighted.safetensors
check "and are read" "$program" attack "${small[@]}" --method "weighted SMUG" --model weighted.safetensors --iters 1

# A study that is killed goes on and says the same as one that is not.
"$program" --quick --seeds 1 --out killed >/dev/null 2>&1 &
study=$!
for _ in $(seq 600); do
  if grep -q '"seed 1, vanilla"' killed/stages.json 2>/dev/null || ! kill -0 $study 2>/dev/null; then break; fi
  sleep 0.1
done
kill -9 $study 2>/dev/null || true
wait $study 2>/dev/null || true
check "stages are left" test -s killed/stages.json
wrong "of another run" "seed 1, not 2" "$program" --quick --seeds 1 --seed 2 --out killed --resume
check "goes on" "$program" --quick --seeds 1 --out killed --resume
check "its figures" python3 -c '
import json
m = json.load(open("killed/metrics.json"))
claims = {c["id"]: c for c in m["claims"]}
assert m["example"] == "smug" and {"C1", "C2", "C3a", "C10", "C11"} <= set(claims), claims
assert claims["C1"]["holds"] and claims["C11"]["holds"]
assert m["metrics"]["mri/seed1/vanilla/psnr/clean"] > m["metrics"]["mri/seed1/zero-filled/psnr/clean"] + 3'
check "its page" grep -q "Smoothed unrolling of MRI" killed/report.html
check "no stages are left" test ! -e killed/stages.json

wrong "no such folder" "no-such-folder" "$program" --data no-such-folder --out x
mkdir empty
wrong "no volumes" "holds no volumes" "$program" --data empty --out x
mkdir cut && head -c 200000 "$volumes/ch2.nii.gz" >cut/ch2.nii.gz
wrong "a cut volume" "cut/ch2.nii.gz" "$program" --data cut --out x
mkdir junk && printf 'not a scan' | tee junk/a.h5 >junk/b.h5
wrong "no HDF5" "junk/a.h5" "$program" --data junk --out x
wrong "no such denoiser" "want cnn, unet or didn" "$program" --denoiser transformer --out x
wrong "no such method" "no method" "$program" train --method SMUGGER
wrong "no such domain" "want kspace or image" "$program" attack --model net.safetensors --domain time
wrong "a network of another size" "is \(" "$program" attack --model net.safetensors
wrong "no network" "missing.safetensors" "$program" attack "${small[@]}" --model missing.safetensors
wrong "a mask that samples nothing" "acceleration" "$program" train --width 32 -R 40 --save x.safetensors
wrong "no such option" "did you mean --quick" "$program" --quik
wrong "a report where a file is" "is not a folder" "$program" --quick --out net.safetensors
check "nothing was written over" cmp net.safetensors again.safetensors

echo "smug: $passed passed, $failed failed"
((failed == 0))
