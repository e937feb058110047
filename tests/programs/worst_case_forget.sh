#!/usr/bin/env bash
# worst_case_forget from outside, on scikit-learn's digits: finds a set, unlearns it, writes a report; wrong input gives one line
# and status 2.   Status 77 where scripts/fetch has not brought the digits.   Usage: worst_case_forget.sh PROGRAM SOURCE_DIR
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
program=$(realpath "$1") digits=${TENZO_DATA:-$2/data}/digits
[[ -s $digits/digits.csv.gz ]] || exit 77
work_apart

data=(--data digits --path "$digits")

check "finds a set" "$program" search "${data[@]}" --ratio 0.1 --save set.json
check "of a tenth of the samples" python3 -c 'import json; s = json.load(open("set.json")); assert len(set(s["forget"])) == s["m"] == round(0.1 * s["samples"]) and abs(sum(s["weights"]) - s["m"]) < 1e-6'
check "finds it again" "$program" search "${data[@]}" --ratio 0.1 --threads 1 --save again.json
check "the same on one thread" cmp set.json again.json
check "a search without steps" "$program" search "${data[@]}" --ratio 0.1 --upper-iters 0 --save still.json
cp out.txt still.txt
check "says that it has found nothing" grep -q "exchanged no member" still.txt
check "finds classes" "$program" search "${data[@]}" --ratio 0.2 --classes --save classes.json
check "two of them" python3 -c 'import json; assert len(json.load(open("classes.json"))["classes"]) == 2'
check "unlearns it" "$program" evaluate "${data[@]}" --forget set.json --methods retrain,ft,rl
cp out.txt figures.txt
check "four rows" test "$(wc -l <figures.txt)" = 5
# shellcheck disable=SC2016
check "the set is not forgotten" awk '$1 == "retrain" { exit !($2 <= 1) }' figures.txt
check "with a step size, and spaces between names" "$program" evaluate "${data[@]}" --forget set.json --methods "ft, scrub" --lr 0.001
check "by another network" "$program" evaluate "${data[@]}" --forget set.json --methods ft --arch mlp --seed 2
cp out.txt other.txt
check "which is said" grep -q "found on .cnn., seed 1; it is forgotten by mlp, seed 2" other.txt
check "unlearns it by all" "$program" evaluate "${data[@]}" --forget set.json --methods all
cp out.txt all.txt
check "samples held out for a method are not judged by" grep -qx "test set: 180 samples to judge by, 180 held out for reference" all.txt
check "all of them" test "$(wc -l <all.txt)" = 17
# shellcheck disable=SC2016
check "and the last one, too" awk '$1 == "reference" { found = $4 > 80 && $5 > 50 } END { exit !found }' all.txt
check "a study" "$program" --quick "${data[@]}" --seeds 2 --out report
check "its figures" python3 -c 'import json; m = json.load(open("report/metrics.json")); assert m["example"] == "worst_case_forget" and {"C1", "C2", "C4", "C8", "C10"} <= {c["id"] for c in m["claims"]}'
check "its page" grep -q "Worst-case forget sets" report/report.html
check "of a convolutional network" grep -q -- "--arch cnn" report/report.html
check "no stages are left" test ! -e report/stages.json

wrong "no such data" "unknown data set|wants --path" "$program" --data nothing --out x
wrong "no such file" "no-such-folder" "$program" --data digits --path no-such-folder --out x
wrong "no such network" "unknown architecture" "$program" search "${data[@]}" --arch transformer
wrong "too small a set" "is a set of 0" "$program" search "${data[@]}" --ratio 0.0001
wrong "the whole set" "one to retain" "$program" search "${data[@]}" --ratio 1
wrong "no such method" "no method" "$program" evaluate "${data[@]}" --forget set.json --methods retrian
wrong "no such set" "no-set.json" "$program" evaluate "${data[@]}" --forget no-set.json
echo '{"forget": [1, 2, 99999]}' >far.json
wrong "a set of other data" "99999" "$program" evaluate "${data[@]}" --forget far.json
echo '{"forget": [1, 1]}' >twice.json
wrong "no method between commas" "no method ''" "$program" evaluate "${data[@]}" --forget set.json --methods ft,
echo '{"forget": []}' >none.json
wrong "an empty set" "none.json.*no sample" "$program" evaluate "${data[@]}" --forget none.json
wrong "a sample twice" "twice.json.*twice" "$program" evaluate "${data[@]}" --forget twice.json
wrong "no such option" "did you mean --quick" "$program" --quik
mkdir one && mkdir one/train one/test
printf 'x' >one/file
wrong "a folder without pictures" "holds no" "$program" --data folder --path one --out x
zcat "$digits/digits.csv.gz" 2>/dev/null | awk -F, '$NF == 3' | gzip >threes.csv.gz
wrong "one class" "class" "$program" --data digits --path threes.csv.gz --out x
cp "$digits/digits.csv.gz" own.csv.gz
wrong "a set over its data" "own.csv.gz" "$program" search --data digits --path own.csv.gz --save own.csv.gz
mkdir -p mine/digits && cp own.csv.gz mine/digits/digits.csv.gz
TENZO_DATA=$PWD/mine wrong "a set over data found by default" "is read by this run" "$program" search --data digits \
  --save mine/digits/digits.csv.gz
echo '{"data": "faces", "samples": 160, "forget": [1, 2]}' >faces.json
wrong "a set that says it is of other data" "samples of .faces." "$program" evaluate "${data[@]}" --forget faces.json
wrong "a folder for a set" "one: " "$program" evaluate "${data[@]}" --forget one
mkdir left && echo '{}' >left/stages.json
wrong "an interrupted study" "left/stages.json: .*--resume" "$program" --quick "${data[@]}" --out left
check "the data is as it was" cmp own.csv.gz "$digits/digits.csv.gz"
wrong "a report where a file is" "is not a folder" "$program" --quick "${data[@]}" --out set.json

echo "worst_case_forget: $passed passed, $failed failed"
((failed == 0))
