#!/usr/bin/env bash
# smug certify from outside, on scikit-learn's digits: a study, a network of its own, logs that others wrote; wrong input gives one
# line and status 2.   Status 77 where scripts/fetch has not brought the digits.   Usage: smug_certify.sh PROGRAM SOURCE_DIR
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
program=$(realpath "$1") digits=${TENZO_DATA:-$2/data}/digits
[[ -s $digits/digits.csv.gz ]] || exit 77
work_apart

data=(--data digits --path "$digits")

mkdir out
echo '{"example": "smug", "mode": "quick", "seed": 1, "metrics": {"certify/old": 1, "psnr": 30}, "claims": [
  {"id": "C1", "statement": "s", "value": 2, "threshold": 1, "seeds": 3, "ci95": [1, 3], "holds": true},
  {"id": "R1", "statement": "s", "value": 2, "threshold": 1, "seeds": 3, "ci95": [1, 3], "holds": true}]}' >out/metrics.json
check "a study" "$program" certify --quick "${data[@]}" --seeds 1 --out out
check "its figures, beside those of the other part" python3 -c 'import json; m = json.load(open("out/metrics.json")); c = {c["id"]: c for c in m["claims"]}; assert m["example"] == "smug" and {"C1", "R1", "R2", "R5", "R9", "R10"} == set(c) and len(m["claims"]) == 6 and c["R1"]["holds"] and c["R1"]["threshold"] == 1e-9 and m["metrics"]["psnr"] == 30 and "certify/old" not in m["metrics"]'
# R2 is of what training gains, which so few digits need not show; of R5 the half that is owed
check "what must hold: R1, R9, R10, and R5's soundness" python3 -c 'import json; c = {c["id"]: c for c in json.load(open("out/metrics.json"))["claims"]}; assert c["R1"]["holds"] and c["R9"]["holds"] and c["R10"]["holds"] and c["R5"]["value"] == 0, c'
check "intervals of what is counted" python3 -c 'import json; c = {c["id"]: c for c in json.load(open("out/metrics.json"))["claims"]}; assert all(c[i]["ci95"][0] == 0 < c[i]["ci95"][1] < 0.5 for i in ("R5", "R10"))'
check "its page" grep -q "Certified digits" out/certify.html
check "no stages are left" test ! -e out/certify-stages.json
network=out/networks/Gaussian_0.5__seed_1.safetensors
check "its network is kept" test -s "$network"

own=(--model "$network" "${data[@]}" --skip 20 --n 500)
check "certifies a network" "$program" certify "${own[@]}" --log own.tsv
check "all images that are due" test "$(wc -l <own.tsv)" = 19
check "again on one thread" "$program" certify "${own[@]}" --log again.tsv --threads 1
check "the same certificates" cmp <(cut -f 1-5 own.tsv) <(cut -f 1-5 again.tsv)
# shellcheck disable=SC2016
check "no radius beyond the cap" awk -F '\t' 'NR > 1 && $4 > 1.111 { exit 1 }' own.tsv
head -n 8 own.tsv >part.tsv
check "goes on with a log" "$program" certify "${own[@]}" --log part.tsv --resume
check "with the same lines" cmp <(cut -f 1-5 own.tsv) <(cut -f 1-5 part.tsv)
check "those that were there among them" cmp <(head -n 8 own.tsv) <(head -n 8 part.tsv)
check "goes on with a log that is whole, or not there" "$program" certify "${own[@]}" --log part.tsv --resume
check "and changes nothing" cmp <(cut -f 1-5 own.tsv) <(cut -f 1-5 part.tsv)
check "is killed on its way" kill_when 'beyond slow.tsv 600' "$program" certify --model "$network" "${data[@]}" --skip 2 --n 20000 --log slow.tsv
check "writes its log as it goes" test "$(wc -l <slow.tsv)" -gt 10 -a "$(wc -l <slow.tsv)" -lt 181
check "a log that can be read" "$program" certify --analyze slow.tsv
wrong "the log of another number of copies" "another run: image" "$program" certify --model "$network" "${data[@]}" --skip 20 --n 600 --log part.tsv --resume
wrong "the log of other images" "another run: line 3" "$program" certify --model "$network" "${data[@]}" --skip 10 --n 500 --log part.tsv --resume
check "which is as it was" cmp <(cut -f 1-5 own.tsv) <(cut -f 1-5 part.tsv)
check "reads its log" "$program" certify --analyze own.tsv
cp out.txt table.txt
check "of 18 images" grep -qE "^own.tsv +18 " table.txt
printf 'idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t3\t3\t0.5\t1\t0:00:01.5\n20\t8\t-1\t0.0\t0\t1 day, 0:00:02\n40\t1\t1\t1.0\t1\t0:00:01\n' >theirs.tsv
check "reads others' logs" "$program" certify --analyze theirs.tsv own.tsv
cp out.txt table.txt
check "with their figures" grep -qE "^theirs.tsv +3 +0.500 +0.333 +66.7 +66.7 +66.7 +33.3 +33.3" table.txt
check "and the envelope" grep -q "^envelope" table.txt

wrong "no such data" "unknown data set|wants --path" "$program" certify --data nothing --out x
wrong "no such file" "no-such-folder" "$program" certify --data digits --path no-such-folder --out x
wrong "no such network" "no-model" "$program" certify --model no-model "${data[@]}"
wrong "a file that is no network" "own.tsv" "$program" certify --model own.tsv "${data[@]}" --log x.tsv
wrong "a network over itself" "read by this run" "$program" certify --model "$network" "${data[@]}" --log "$network"
wrong "no such log" "no-log" "$program" certify --analyze no-log.tsv
printf 'idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t3\t3\t-1\t1\t0:00:01\n' >damaged.tsv
wrong "a damaged log" "damaged.tsv" "$program" certify --analyze damaged.tsv
wrong "sigma of nothing" "sigma" "$program" certify --model "$network" "${data[@]}" --sigma 0
wrong "alpha above one half" "alpha" "$program" certify --model "$network" "${data[@]}" --alpha 0.7
wrong "no copies" "Value 0" "$program" certify --model "$network" "${data[@]}" --n 0
wrong "a setting without a network" "requires --model" "$program" certify --sigma 0.5
wrong "two jobs at once" "excludes" "$program" certify --model "$network" --analyze own.tsv
wrong "no such option" "did you mean --sigma" "$program" certify --model "$network" --sigm 1
wrong "a report where a file is" "is not a folder" "$program" certify --quick "${data[@]}" --out own.tsv
check "nothing was written" test ! -e x

# a metrics.json that can not be kept is found before any work
for damaged in '{"example": "smug", "mode": "quick"' '[]' '{"example": 3}' '{"example": "smug", "seed": "one"}' \
  '{"example": "smug", "claims": 3}' '{"example": "smug", "claims": [3]}' '{"example": "smug", "claims": [{"id": 1}]}' \
  '{"example": "smug", "claims": [{"id": "C1", "value": "2"}]}' '{"example": "smug", "claims": [{"id": "C1", "ci95": [1]}]}' \
  '{"example": "smug", "claims": [{"id": "C1", "ci95": ["1", 2]}]}' '{"example": "smug", "metrics": {"psnr": "30"}}'; do
  rm -rf kept
  mkdir kept
  echo "$damaged" >kept/metrics.json
  wrong "metrics.json $damaged" "kept/metrics.json" timeout 60 "$program" certify --quick "${data[@]}" --out kept
  check "before any work" test "$(ls kept)" = metrics.json
done

echo "smug_certify: $passed passed, $failed failed"
((failed == 0))
