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
check "attacks it as its file says that it was made" "$program" attack --model net.safetensors --iters 1
cp out.txt alone.txt
check "attacks it as the command line says" "$program" attack "${small[@]}" --samples 4 --sigma 0.05 --model net.safetensors --iters 1
cp out.txt said.txt
check "which is the same" cmp said.txt alone.txt
for denoiser in unet didn dncnn; do
  check "trains with $denoiser" "$program" train "${small[@]}" --denoiser $denoiser --iterations 4 --tuning 2 --save $denoiser.safetensors
  check "and attacks it" "$program" attack --model $denoiser.safetensors --iters 1
done
for mask in uniform random equispaced; do
  check "$mask masks" "$program" train "${small[@]}" --mask $mask --iterations 4 --tuning 2 --save $mask.safetensors
done
# Its target is the network that it began with, which does not move with it.
check "a network drawn to another" "$program" train "${small[@]}" --method "RS-E2E, to vanilla" --iterations 60 --tuning 300 --save drawn.safetensors
cp out.txt drawn.txt
# shellcheck disable=SC2016
check "stays near it" awk '/^zero-filled/ { near = $7 + 0 > $2 - 1 } END { exit !near }' drawn.txt
check "weighted ones have files, too" "$program" train "${small[@]}" --method "weighted SMUG" --iterations 4 --tuning 2 --save weighted.safetensors
check "and are read" "$program" attack "${small[@]}" --method "weighted SMUG" --model weighted.safetensors --iters 1

# A study that is killed goes on and says the same as one that is not.
check "is killed on its way" kill_when 'grep -qs "\"seed 1, vanilla\"" killed/stages.json' "$program" --quick --seeds 1 --out killed
check "stages are left" test -s killed/stages.json
wrong "of another run" "seed 1, not 2" "$program" --quick --seeds 1 --seed 2 --out killed --resume
check "goes on" "$program" --quick --seeds 1 --out killed --resume
check "its figures" python3 -c '
import json
m = json.load(open("killed/metrics.json"))
claims = {c["id"]: c for c in m["claims"]}
assert m["example"] == "smug" and {"C1", "C2", "C3a", "C10", "C11"} <= set(claims), claims
assert claims["C1"]["holds"] and claims["C2"]["holds"] and claims["C11"]["holds"]
assert m["metrics"]["mri/seed1/vanilla/psnr/clean"] > m["metrics"]["mri/seed1/zero-filled/psnr/clean"] + 3'
check "its page" grep -q "Smoothed unrolling of MRI" killed/report.html
check "no stages are left" test ! -e killed/stages.json

mkdir damaged && echo '{"claims": 3}' >damaged/metrics.json
wrong "a damaged metrics.json, before any work" "damaged/metrics.json: key 'claims'" "$program" --quick --out damaged
wrong "no such folder" "no-such-folder" "$program" --data no-such-folder --out x
mkdir empty
wrong "no volumes" "holds no scans" "$program" --data empty --out x
mkdir cut && head -c 200000 "$volumes/ch2.nii.gz" >cut/ch2.nii.gz
wrong "a cut volume" "cut/ch2.nii.gz" "$program" --data cut --out x
mkdir junk && printf 'not a scan' | tee junk/a.h5 >junk/b.h5
wrong "no HDF5" "junk/a.h5" "$program" --data junk --out x
# volume FILE RANK VOXEL: a NIfTI volume of 4 x 4 x 4 (x 2) voxels, all alike.
volume() {
  python3 -c '
import struct, sys
path, rank, voxel = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
sizes = ([4, 4, 4, 2] if rank == 4 else [4] * rank) + [1] * (7 - rank)
header = bytearray(348)
struct.pack_into("<i", header, 0, 348)
struct.pack_into("<8h", header, 40, rank, *sizes)
struct.pack_into("<2h", header, 70, 16, 32)
struct.pack_into("<8f", header, 76, *[1] * 8)
struct.pack_into("<3f", header, 108, 352, 1, 0)
header[344:348] = b"n+1\0"
count = 1
for n in sizes: count *= n
open(path, "wb").write(bytes(header) + bytes(4) + struct.pack(f"<{count}f", *[voxel] * count))' "$@"
}
mkdir flat nan && volume flat/a.nii 2 1 && volume nan/a.nii 3 nan
wrong "a volume of another rank" "flat/a.nii.*(axes|dimension|rank)" "$program" --data flat --out x
wrong "voxels that are none" "nan/a.nii.*(nan|NaN|finite)" "$program" --data nan --out x
mkdir bare
for scan in a b; do sed 's/kspace/kspice/' "$2/tests/fuzz/corpus/mri_fastmri/multicoil.h5" >bare/$scan.h5; done
wrong "HDF5 without its sets" "bare/a.h5.*kspace" "$program" --data bare --out x
mkdir twice && cp "$volumes/ch2.nii.gz" twice/sub-1_a.nii.gz && cp "$volumes/ch2.nii.gz" twice/sub-1_b.nii.gz
wrong "one subject twice" "2 volumes of one subject" "$program" --data twice --out x
wrong "a training that diverges" "training of vanilla, seed 1, diverged: its loss is no number at step [0-9]+ of 60$" \
  "$program" train --width 32 --coils 2 --channels 4 --steps 12 --iterations 60 --lr 1 --save diverged.safetensors
check "and leaves no network" test ! -e diverged.safetensors
wrong "no such mask" "unknown kind 'spiral'" "$program" --mask spiral --out x
wrong "no such denoiser" "want one of cnn, unet, didn, dncnn" "$program" --denoiser transformer --out x
wrong "no such method" "no method" "$program" train --method SMUGGER
wrong "no such domain" "want kspace or image" "$program" attack --model net.safetensors --domain time
wrong "a network of another size" "is \(" "$program" attack --model net.safetensors --channels 5
wrong "no network" "missing.safetensors" "$program" attack "${small[@]}" --model missing.safetensors
wrong "a mask that samples nothing" "acceleration" "$program" train --width 32 -R 40 --save x.safetensors
wrong "no such option" "did you mean --quick" "$program" --quik
wrong "a report where a file is" "is not a folder" "$program" --quick --out net.safetensors
check "nothing was written over" cmp net.safetensors again.safetensors

echo "smug: $passed passed, $failed failed"
((failed == 0))
