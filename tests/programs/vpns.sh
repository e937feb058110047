#!/usr/bin/env bash
# vpns from outside, on MNIST-5k and scikit-learn's digits: pretrains, finds and judges sub-networks, writes a report; wrong input
# gives one line and status 2.   Status 77 where scripts/fetch has not brought the data.   Usage: vpns.sh PROGRAM SOURCE_DIR
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
program=$(realpath "$1") data=${TENZO_DATA:-$2/data}
[[ -s $data/digits/digits.csv.gz && -s $data/mnist5k/mnist_5k.csv.gz && -s $data/faces/lfw_subset.npy ]] || exit 77
export TENZO_DATA=$data
work_apart

source=(--source-path "$data/mnist5k") digits=(--data digits --path "$data/digits")

# A network, and sub-networks of it.
check "pretrains" "$program" pretrain "${source[@]}" --epochs 1 --save net
cp out.txt said.txt
check "says its accuracy" grep -qE '[0-9.]+ % of the test set of MNIST-5k' said.txt
find=("$program" sparsify --model net "${digits[@]}" --density 0.05 --epochs 5)
check "finds and tunes" "${find[@]}" --save-mask mask --save-prompt prompt --save-mapping mapping --save-model tuned
cp out.txt first.txt
check "2184 of 43664 weights" grep -q '^2184 of 43664 weights, 100 updates' first.txt
check "finds the same on one thread" "${find[@]}" --threads 1 --save-mask mask1 --save-prompt prompt1 --save-mapping mapping1 --save-model tuned1
for file in mask prompt mapping tuned; do check "the same $file" cmp $file ${file}1; done
check "judges what it has written" "$program" evaluate --model tuned --mask mask --prompt prompt --mapping mapping "${digits[@]}"
cp out.txt judged.txt
# same_accuracy TUNED JUDGED: the accuracies that are printed are there, and are those of the same files on the same samples.
same_accuracy() {
  local tuned judged
  tuned=$(grep -oE '[0-9.]+ % tuned' "$1" | grep -oE '^[0-9.]+') || return 1
  judged=$(grep -oE '^accuracy [0-9.]+' "$2" | grep -oE '[0-9.]+$') || return 1
  test -n "$tuned" -a "$tuned" = "$judged"
}
check "as it was tuned" same_accuracy first.txt judged.txt
check "without its prompt, too" grep -qE 'without$' judged.txt
check "without mask: pruned weights are zero already" "$program" evaluate --model tuned --prompt prompt --mapping mapping "${digits[@]}"
cp out.txt unmasked.txt
check "the same accuracy" test "$(tail -n 1 unmasked.txt)" = "$(tail -n 1 judged.txt)"
check "the mask is bits" python3 -c '
import json, struct
f = open("mask", "rb").read(); n = struct.unpack("<Q", f[:8])[0]; h = json.loads(f[8:8 + n])
assert h["__metadata__"]["format"] == "tenzo.mask.1"
assert sum(bin(b).count("1") for b in f[8 + n:]) == 2184'
check "the mapping names ten classes, each once" python3 -c '
import json; m = json.load(open("mapping")); assert len(set(m["mapping"])) == m["classes"] == 10 and m["source"] == 20 and max(m["mapping"]) < 20'
check "a mask transfers" "$program" sparsify --model net --mask mask --data faces --path "$data/faces" --epochs 2
cp out.txt said.txt
check "with the same weights" grep -q '^2184 of 43664' said.txt
for method in random omp snip grasp synflow bip hydra dense; do
  check "$method" "$program" sparsify --model net "${digits[@]}" --method $method --density 0.1 --epochs 1 --train 64
done
for prompt in pad:2 fix:8 random:8,identity lowrank:2 affine pad:4,sigmoid,noclip; do
  check "prompt $prompt" "$program" sparsify --model net "${digits[@]}" --prompt $prompt --epochs 1 --train 64 --protocol code
done
check "expansive, around a smaller input" "$program" sparsify --model net "${digits[@]}" --prompt expansive --input 24 --epochs 1 --train 64
check "whole channels" "$program" sparsify --model net "${digits[@]}" --structured --density 0.5 --epochs 1 --train 64
for mapping in masked remap ilm rlm; do
  check "mapping $mapping" "$program" sparsify --model net "${digits[@]}" --mapping $mapping --epochs 1 --train 64
done

# Pictures of three channels, and a network without metadata, as others write it: it was trained on ImageNet's
# normalisation, which stays with what is tuned of it.
python3 - <<'PY'
import os, random, struct, zlib
random.seed(1)
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(path, pixels, n):
    rows = b"".join(b"\0" + bytes(pixels[3 * n * i:3 * n * (i + 1)]) for i in range(n))
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", n, n, 8, 2, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for part, count in ("train", 30), ("test", 40):
    for c, name in enumerate("abc"):
        os.makedirs(f"colours/{part}/{name}")
        for k in range(count):
            base = [random.randrange(60, 190) + (60 if c == j else 0) for j in range(3)]
            png(f"colours/{part}/{name}/{k:02}.png", [min(255, max(0, base[i % 3] + random.randrange(-40, 40))) for i in range(3 * 32 * 32)], 32)
PY
check "pretrains on colours" "$program" pretrain --source folder --source-path colours --epochs 4 --save net3
python3 - <<'PY'
import json, struct
f = open("net3", "rb").read(); n = struct.unpack("<Q", f[:8])[0]; h = json.loads(f[8:8 + n])
assert h.pop("__metadata__") == {"vpns": "1"}
def put(path, notes):
    t = json.dumps({**({"__metadata__": notes} if notes else {}), **h}).encode()
    t += b" " * (-len(t) % 8)
    open(path, "wb").write(struct.pack("<Q", len(t)) + t + f[8 + n:])
put("others3", {})
put("short3", {"vpns": "1", "mean": "[0.5]", "deviation": "[1,1,1]"})
put("zero3", {"vpns": "1", "mean": "[0,0,0]", "deviation": "[1,0,1]"})
put("half3", {"vpns": "1", "mean": "[0,0,0]"})
PY
colours=(--data folder --path colours)
for net in net3 others3; do
  check "sparsifies $net" "$program" sparsify --model $net "${colours[@]}" --density 0.2 --epochs 10 --save-mask mask3 --save-prompt prompt3 --save-mapping mapping3 --save-model tuned3
  cp out.txt first3.txt
  check "judges $net" "$program" evaluate --model tuned3 --mask mask3 --prompt prompt3 --mapping mapping3 "${colours[@]}"
  cp out.txt judged3.txt
  check "$net: as it was tuned" same_accuracy first3.txt judged3.txt
done
check "its normalisation is in the file" grep -qa '"mean":"\[0.485,0.456,0.406\]"' tuned3
check "sparsifies again what was tuned" "$program" sparsify --model tuned3 --mask mask3 "${colours[@]}" --epochs 1 --save-mapping mapping4 --save-model tuned4
cp out.txt first3.txt
check "judges it" "$program" evaluate --model tuned4 --mask mask3 --mapping mapping4 "${colours[@]}"
cp out.txt judged3.txt
check "again as it was tuned" same_accuracy first3.txt judged3.txt
check "and its normalisation stays" grep -qa '"mean":"\[0.485,0.456,0.406\]"' tuned4

# Wrong input.
wrong "a normalisation of one channel" "^vpns: short3: its mean is .*want 3 numbers" "$program" sparsify --model short3 "${colours[@]}"
wrong "a deviation of zero" "^vpns: zero3: its deviation is .*above zero" "$program" sparsify --model zero3 "${colours[@]}"
wrong "half a normalisation" "^vpns: half3: has one of mean and deviation" "$program" sparsify --model half3 "${colours[@]}"
for method in random imp snip grasp synflow bip dense; do
  wrong "whole channels by $method" "goes with --method omp, hydra or vpns" "$program" sparsify --model net "${digits[@]}" --method $method --structured
done
wrong "whole channels of a given mask" "there is nothing to find" "$program" sparsify --model net "${digits[@]}" --mask mask --structured
wrong "no mask given" "wants --mask" "$program" sparsify --model net "${digits[@]}" --method given
wrong "a prompt around the whole image" "no place around an input of 32" "$program" sparsify --model net "${digits[@]}" --prompt expansive
sed 's/"at":"0,0"/"at":"0,3"/' prompt >other
wrong "a frame with a place" "^vpns: other: its place is 0,3; that of pad is 0,0" "$program" evaluate --model tuned --prompt other --mapping mapping "${digits[@]}"
wrong "no such data" "unknown data set|wants --path" "$program" --data nothing --out x
wrong "no such file" "no-such-folder" "$program" --data digits --path no-such-folder --out x
wrong "no such network" "unknown architecture" "$program" sparsify --model net --arch transformer
wrong "no such model" "no-net" "$program" sparsify --model no-net
wrong "a mask is no network" "want 4 axes" "$program" sparsify --model mask
wrong "a network of another kind" "is no network resnet18" "$program" sparsify --model net --arch resnet18
wrong "nor a deeper one" "is no network resnet50" "$program" sparsify --model net --arch resnet50
wrong "another image size" "fc.0.weight. is .*; want" "$program" sparsify --model net --image 64
wrong "no such option" "did you mean --quick" "$program" --quik
wrong "an option of the study before the subcommand" "stands before" "$program" --seed 2 sparsify --model net
wrong "density 0" "density" "$program" sparsify --model net --density 0
wrong "density above 1" "density" "$program" sparsify --model net --density 1.5
wrong "a density that empties layers" "no weight of net\..* is left" "$program" sparsify --model net "${digits[@]}" --method omp --density 0.00005
wrong "SynFlow at it" "synflow: no weight" "$program" sparsify --model net "${digits[@]}" --method synflow --density 0.00005
wrong "no such method" "unknown method 'hydrogen'" "$program" sparsify --model net "${digits[@]}" --method hydrogen
wrong "no such protocol" "want text or code" "$program" sparsify --model net --protocol paper
wrong "no such prompt" "unknown form" "$program" sparsify --model net "${digits[@]}" --prompt frame:4
wrong "too wide a prompt" "pad of 17 in an image of 32" "$program" sparsify --model net "${digits[@]}" --prompt pad:17
wrong "too large an input" "is more than --image" "$program" sparsify --model net "${digits[@]}" --input 33
wrong "no such mapping" "unknown label mapping" "$program" sparsify --model net "${digits[@]}" --mapping best
wrong "an output that is read" "is read by this run" "$program" sparsify --model net "${digits[@]}" --save-model net
wrong "an output twice" "named twice" "$program" sparsify --model net "${digits[@]}" --save-mask m --save-prompt m
check "the network is as it was" "$program" evaluate --model net --mapping mapping "${digits[@]}"
head -c 2000 mask >mask.cut
wrong "a damaged mask" "^vpns: mask.cut: " "$program" sparsify --model net "${digits[@]}" --mask mask.cut
head -c 5000 net >cutnet
wrong "a damaged network" "^vpns: cutnet: " "$program" sparsify --model cutnet "${digits[@]}"
sed 's/tenzo.mask.1/tenzo.mask.2/' mask >other
wrong "no mask" "is no mask" "$program" sparsify --model net "${digits[@]}" --mask other
wrong "a prompt is no mask" "is no mask" "$program" sparsify --model net "${digits[@]}" --mask prompt
sed 's/64,32,3,3/32,64,3,3/' mask >other
wrong "a mask of another network" "the model's is" "$program" sparsify --model net "${digits[@]}" --mask other
wrong "a mask is no prompt" "is no prompt" "$program" evaluate --model tuned --prompt mask --mapping mapping "${digits[@]}"
echo '{"mapping": [0, 1, 2]}' >short
wrong "a mapping of other classes" "maps 3 classes; the data have 10" "$program" evaluate --model tuned --mapping short "${digits[@]}"
echo '{"mapping": [0, 1, 2, 3, 4, 5, 6, 7, 8, 20]}' >far
wrong "a mapping beyond the network" "source class 20 of 20" "$program" evaluate --model tuned --mapping far "${digits[@]}"
echo '{"mapping": [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]}' >twice
wrong "a mapping of one class twice" "stands for two" "$program" evaluate --model tuned --mapping twice "${digits[@]}"
mkdir -p one/train/a one/test/a
wrong "data of one class" "class|holds no" "$program" sparsify --model net --data folder --path one
wrong "a report where a file is" "is not a folder" "$program" --quick --out net
python3 - "$data/digits/digits.csv.gz" <<'PY'
import gzip, os, sys
os.makedirs("absent", exist_ok=True)
rows = [r for r in gzip.open(sys.argv[1], "rt").read().splitlines() if r.rsplit(",", 1)[1].strip() != "3"]
gzip.open("absent/digits.csv.gz", "wt").write("\n".join(rows) + "\n")
os.makedirs("damaged", exist_ok=True)
open("damaged/digits.csv.gz", "wb").write(open(sys.argv[1], "rb").read()[:20000])
PY
wrong "a class that is absent" "no sample to train on is of class 3" "$program" sparsify --model net --data digits --path absent
wrong "a damaged set" "^vpns: damaged/digits.csv.gz: " "$program" sparsify --model net --data digits --path damaged

# A study of one seed; interrupted, and gone on with.
study=("$program" --quick "${digits[@]}" "${source[@]}" --seeds 1)
# A folder where metrics.json is to be: the run ends behind its last stage, and all of it is on record.
"${study[@]}" --out report >out.txt 2>err.txt &
study_process=$!
for _ in $(seq 600); do
  [[ -d report ]] && mkdir report/metrics.json && break
  sleep 0.1
done
status=0
wait $study_process || status=$?
check "ends without a report" test "$status" = 2 -a -s report/stages.json -a ! -e report/report.html
check "its record is whole, and names its files" python3 -c '
import json, os, sys
all = json.load(open("report/stages.json"))
assert "latency" in all["stages"]
for key, path in ("path", sys.argv[1]), ("source path", sys.argv[2]):
    r = all["run"][key]
    assert r["path"] == os.path.realpath(path) and r["files"] > 0 and r["bytes"] > 0 and r["written"] != 0' "$data/digits" "$data/mnist5k"
rmdir report/metrics.json
check "a study, whose stages are all there" "${study[@]}" --out report --resume
check "its figures" python3 -c 'import json; m = json.load(open("report/metrics.json")); assert m["example"] == "vpns" and {"C1", "C2", "C3", "C10", "C11"} == {c["id"] for c in m["claims"]}'
check "its page" grep -q "Visual prompts for network sparsification" report/report.html
check "no stages are left" test ! -e report/stages.json
check "is killed on its way" kill_when 'grep -qs "95 %" again/stages.json' "${study[@]}" --out again
check "was interrupted with stages done" test -s again/stages.json -a ! -e again/metrics.json
check "goes on" "${study[@]}" --out again --resume
check "with the same figures" python3 -c '
import json
a, b = (json.load(open(f"{d}/metrics.json")) for d in ("report", "again"))
same = lambda m: {k: v for k, v in m["metrics"].items() if not k.startswith("latency")}
assert same(a) == same(b) and len(same(a)) > 60 and a["claims"] == b["claims"]'
echo nonsense >again/stages.json
wrong "a damaged record" "again/stages.json: " "${study[@]}" --out again --resume

echo "vpns: $passed passed, $failed failed"
((failed == 0))
