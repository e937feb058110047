#!/usr/bin/env bash
# zo_llm from outside, on the small model that ships: a run, its replay and its resumption give the same files; wrong input gives
# one line and status 2.   Usage: zo_llm.sh PROGRAM SOURCE_DIR
# shellcheck source=tests/programs/checks.sh
source "$(dirname "$0")/checks.sh"
program=$(realpath "$1") shipped=$2/examples/zo_llm/data
model=$shipped/small.gguf
work_apart

base=$model rates=(--lr 1e-4 --eps 1e-3) rate=(--lr 1e-4)
few=(--data "$shipped" --train 64 --dev 16 --test 16 --eval-every 4 --batch 8)
tune() { "$program" finetune --model "$base" "${few[@]}" "${rates[@]}" "$@"; }
exact() { "$program" finetune --model "$base" "${few[@]}" "${rate[@]}" "$@"; }  # of methods without differences

check "finetune" tune --steps 12 --log a.zolog --save a.gguf
cp out.txt summary.txt
check "its summary" grep -qE '^accuracy [0-9.]+ -> [0-9.]+, auc [0-9.]+ -> [0-9.]+, peak [0-9]+ MB, seconds [0-9]+$' summary.txt
check "replay" "$program" replay --model "$model" --log a.zolog --save b.gguf
check "replay has the bits of the run" cmp a.gguf b.gguf
check "one thread" tune --steps 12 --threads 1 --save c.gguf
check "one thread has the bits of all" cmp a.gguf c.gguf

# written LOG STEPS: the bytes of a run's log before its last STEPS steps of 16 bytes.
written() { echo $(($(stat -c %s "$1") - 16 * $2)); }
check "is killed on its way" kill_when "beyond ck/run.zolog $(written a.zolog 8)" "$program" finetune --model "$base" "${few[@]}" "${rates[@]}" --steps 12 --checkpoint ck --save d.gguf
check "resume" tune --steps 12 --checkpoint ck --resume --save d.gguf
cp out.txt said.txt
check "resume says where" grep -q '^resumed at step' said.txt
check "a killed and resumed run has the bits of another" cmp a.gguf d.gguf
check "resume without a checkpoint" tune --steps 12 --checkpoint fresh --resume --save e.gguf
cp out.txt said.txt
check "it begins at step 0" grep -q '^resumed at step 0$' said.txt
check "and ends with the same bits" cmp a.gguf e.gguf
check "a run that is made longer" tune --steps 14 --checkpoint fresh --resume
cp out.txt said.txt
check "it goes on from its end" grep -q '^resumed at step 12$' said.txt
cp ck/run.zolog kept.zolog

for method in zo-mmt zo-cons zo-sign zo-adam; do
  check "$method" tune --method $method --steps 3
done
for method in forward-grad sgd adam; do
  check "$method" exact --method $method --steps 3
done
check "hybrid" tune --method hybrid --hybrid 1 --steps 3
for scheme in lora prefix prompt head; do
  check "$scheme" tune --scheme $scheme --steps 3
done
check "blocks" tune --blocks layers --steps 2
check "a number of blocks" tune --blocks 3 --layers 1:4 --steps 2
# replayed WHAT OPTIONS...: a run and its replay give the same file.
replayed() {
  local what=$1
  shift
  check "$what" tune --steps 6 --log run.zolog --save run.gguf "$@"
  check "$what: replay" "$program" replay --model "$model" --log run.zolog --save again.gguf --threads 1
  check "$what: the bits of the run" cmp run.gguf again.gguf
}
replayed "gauss-seidel" --blocks layers --order gauss-seidel
cp run.gguf sweep.gguf
replayed "jacobi" --blocks layers
check "the orders differ" bash -c '! cmp -s sweep.gguf run.gguf'
replayed "gauss-seidel, adam, one-sided" --blocks 3 --order gauss-seidel --method zo-adam --one-sided
replayed "gauss-seidel, cons, bfloat16" --blocks 2 --order gauss-seidel --method zo-cons --dtype bf16
replayed "random mask" --mask random:0.8
cp run.gguf random.gguf
replayed "magnitude mask" --mask magnitude:0.75
check "the masks differ" bash -c '! cmp -s random.gguf run.gguf'
replayed "mask, blocks, sphere" --mask random:0.5 --blocks 2 --order gauss-seidel --directions sphere
replayed "mask, lora" --scheme lora --mask random:0.5 --blocks layers
check "low-rank directions" tune --rank 4 --steps 2
check "rademacher, one-sided, two queries" tune --directions rademacher --one-sided --queries 2 --steps 2
check "sphere" tune --directions sphere --steps 2
check "last blocks" tune --layers 2:4 --steps 2
check "bfloat16" tune --dtype bf16 --steps 12 --log h.zolog --save h.gguf
check "replay in bfloat16" "$program" replay --model "$model" --log h.zolog --save i.gguf
check "the same bits in bfloat16" cmp h.gguf i.gguf
check "lora is merged" tune --scheme lora --dtype file --steps 3 --save j.gguf
check "adam, checkpointed" exact --method adam --steps 8 --checkpoint fo --save k.gguf
check "adam, resumed at its end" exact --method adam --steps 8 --checkpoint fo --resume --save l.gguf
check "adam, the same bits" cmp k.gguf l.gguf
check "hybrid, all rates by rule" "$program" finetune --model "$base" "${few[@]}" --method hybrid --hybrid 1 --steps 1
cp out.txt said.txt
check "they are said" grep -qE '^hybrid: lr [0-9.e-]+, zo-lr [0-9.e-]+, eps [0-9.e-]+ \(auto\)$' said.txt
check "a folder" tune --steps 2 --save folder --save-type f32
check "the folder is a model" "$program" evaluate --model folder --data "$shipped" --test 16
check "a lora adapter" tune --scheme lora --steps 6 --layers 1:3 --log lora.zolog --save-adapter lora
check "its kind" grep -q '"peft_type": "LORA"' lora/adapter_config.json
check "its layers" grep -q '"layers_to_transform"' lora/adapter_config.json
check "its names" grep -aq 'base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight' lora/adapter_model.safetensors
check "replay of an adapter" "$program" replay --model "$model" --log lora.zolog --save-adapter lora2
check "the adapter of the run" cmp lora/adapter_model.safetensors lora2/adapter_model.safetensors
check "and its settings" cmp lora/adapter_config.json lora2/adapter_config.json
for scheme in prefix prompt; do
  check "a $scheme" tune --scheme $scheme --steps 2 --save-adapter $scheme
  check "its kind" grep -q "\"peft_type\": \"${scheme^^}_TUNING\"" $scheme/adapter_config.json
  check "its embeddings" grep -aq prompt_embeddings $scheme/adapter_model.safetensors
done
check "evaluate" "$program" evaluate --model a.gguf --data "$shipped" --test 16 --json e.json
check "its figures" grep -q calibrated_accuracy e.json
printf 'A fine film.\nIt was terrible\n' > texts.txt
check "score" "$program" score --model "$model" --text texts.txt --json s.json
scores() { grep -v '"model"' "$1"; }
same_scores() { cmp <(scores "$1") <(scores "$2"); }
rates=(--lr 1e-30 --eps 1e-3)
check "a model as a folder" tune --steps 1 --save base --save-type f32
check "score of the folder" "$program" score --model base --text texts.txt --json base.json
base=base
check "a folder as a GGUF file" tune --steps 1 --save back.gguf --save-type f32
base=$model rates=(--lr 1e-4 --eps 1e-3) rate=(--lr 1e-4)
check "score of the file" "$program" score --model back.gguf --text texts.txt --json back.json
check "scores come back" same_scores s.json back.json
check "a report" tune --steps 8 --out report
check "its page" grep -q '</html>' report/report.html
check "its figures" grep -q '"after/accuracy"' report/metrics.json
for options in "--method adam" "--scheme lora --mask random:0.5" "--method hybrid --hybrid 1" "--task sst2-plain"; do
  rm -rf report
  # shellcheck disable=SC2086
  check "a report of $options" exact --steps 4 --out report $options
  check "its page" test -s report/report.html
done
check "generate" "$program" generate --model "$model" --prompt "The film" --tokens 8 --temperature 0.8 --top-k 20
check "memory" "$program" memory --model "$model" --batch 2 --length 8 --no-measure
check "help" "$program" --help

wrong "no such model" "nothing.gguf" "$program" evaluate --model nothing.gguf --data "$shipped"
head -c 100000 "$model" > cut.gguf
wrong "a cut model" "cut.gguf" "$program" evaluate --model cut.gguf --data "$shipped"
wrong "no such data" "nowhere" "$program" evaluate --model "$model" --data nowhere
: > empty.tsv
wrong "empty data" "empty.tsv.*empty" "$program" evaluate --model "$model" --data empty.tsv
printf 'sentence\tlabel\nfine\tmaybe\n' > label.tsv
wrong "a label that is none" "label.tsv: offset .*maybe" "$program" evaluate --model "$model" --data label.tsv
wrong "an unknown task" "unknown task" "$program" evaluate --model "$model" --data "$shipped" --task nothing
rates=(--lr fast)
wrong "a wrong step size" "lr is 'fast'" tune --steps 1
rates=(--lr 1e-4 --eps 1e-3)
wrong "a wrong range of layers" "layers" tune --steps 1 --layers 3:99
wrong "a wrong option" "unknown option --stepz; did you mean --steps\?" "$program" finetune --model "$model" --data "$shipped" --stepz 4
wrong "an unknown mask" "unknown kind 'wanda'" tune --steps 1 --mask wanda:0.5
wrong "a mask of all weights" "from 0 on, below 1" tune --steps 1 --mask random:1
wrong "a mask without a share" "from 0 on, below 1" tune --steps 1 --mask magnitude
wrong "a magnitude mask of adapters" "begin at zero" tune --steps 1 --mask magnitude:0.5 --scheme lora
wrong "a mask for back-propagation" "neither --blocks nor --mask" exact --steps 1 --mask random:0.5 --method adam
wrong "an order without blocks" "wants --blocks" tune --steps 1 --order gauss-seidel
wrong "an unknown order" "order" tune --steps 1 --order sor --blocks layers
wrong "blocks with queries" "one direction a block" tune --steps 1 --blocks layers --queries 2
wrong "too many blocks" "blocks is '9999'" tune --steps 1 --blocks 9999
wrong "an adapter of the whole model" "no adapter to save" tune --steps 1 --save-adapter x
wrong "a prefix of some layers" "some layers only" tune --steps 1 --scheme prefix --layers 0:2 --save-adapter x
wrong "a prompt folded into weights" "can not be folded" tune --steps 1 --scheme prompt --save x.gguf
wrong "a replay to nowhere" "wants --save" "$program" replay --model "$model" --log a.zolog
wrong "a report over a file" "not a folder" tune --steps 1 --out texts.txt
wrong "a report in no folder" "does not exist" tune --steps 1 --out nowhere/report
cp -r base words
sed -i 's/"type":"BPE"/"type":"WordPiece"/' words/tokenizer.json
base=words
wrong "a vocabulary that GGUF files do not hold" "no byte-level BPE" tune --steps 1 --save x.gguf
base=$model
LC_ALL=C sed 's/gpt2/bert/g' "$model" > words.gguf
wrong "a vocabulary that tokenizer.json does not hold" "words.gguf: a vocabulary of the kind 'bert'" \
  "$program" finetune --model words.gguf --data "$shipped" --steps 1 --save new-folder
check "no folder was made" test ! -e new-folder
wrong "no folder to save in" "does not exist" tune --steps 1 --save nowhere/x.gguf
wrong "cuda without CUDA" "CUDA" tune --steps 1 --device cuda
wrong "the log of another model" "another base model" "$program" replay --model a.gguf --log a.zolog --save x.gguf
head -c 40 a.zolog > cut.zolog
wrong "a cut log" "cut.zolog" "$program" replay --model "$model" --log cut.zolog --save x.gguf
check "nothing was written" test ! -e x.gguf
# again CHECKPOINT OPTIONS...: goes on with a run, whose other options are these.
again() {
  local folder=$1
  shift
  "$program" finetune --model "$base" --data "$shipped" --dev 16 --test 16 --eval-every 4 --steps 13 \
    --checkpoint "$folder" --resume "$@"
}
said=(--train 64 --batch 8)
wrong "another step size on resume" "other options: lr is" again ck "${said[@]}" --lr 2e-4
wrong "another batch on resume" "other options: batch is" again ck --train 64 --batch 4
wrong "other data on resume" "other options: examples is" again ck --train 32 --batch 8
wrong "another method on resume" "other options: method is" again ck "${said[@]}" --method zo-sign
wrong "back-propagation on resume" "of another method" again ck "${said[@]}" --method adam
wrong "another step size of adam on resume" "other options: lr is" again fo "${said[@]}" --method adam --lr 2e-4
wrong "a run that would be lost" "holds a run" tune --steps 13 --checkpoint ck
check "the run is still there" cmp ck/run.zolog kept.zolog
wrong "an option without effect" "momentum goes with --method zo-mmt only" tune --momentum 0.5
wrong "layers of a prompt" "layers goes with" tune --scheme prompt --layers 1:2
wrong "queries of adam" "queries goes with" exact --method adam --queries 2
wrong "a replay in another format" "dtype bf16: the run" "$program" replay --model "$model" --log a.zolog --save x.gguf --dtype bf16

# What is marked as the best at a step is what that step's weights were, whatever the run did after it.
adam() {
  "$program" finetune --model "$base" --data "$shipped" --train 64 --dev 16 --test 16 --batch 8 --eval-every 2 \
    --method adam --lr 3e-3 "$@"
}
check "adam, six steps" adam --steps 6 --save six.gguf
check "adam, five steps" adam --steps 5 --checkpoint marks --checkpoint-every 2
check "one mark is left" test "$(find marks -name '*.best-*' | wc -l)" = 1
check "is killed on its way" kill_when 'grep -qs '\''"dev_step":10,'\'' marks/history.jsonl' "$program" finetune --model "$base" --data "$shipped" --train 64 --dev 16 --test 16 --batch 8 --eval-every 2 \
  --method adam --lr 3e-3 --steps 4000 --checkpoint marks --checkpoint-every 5000 --resume
check "goes on from the checkpoint" adam --steps 6 --checkpoint marks --resume --save again6.gguf
cp out.txt said.txt
check "which is of step 5" grep -q '^resumed at step 5$' said.txt
check "with the weights of the step that was chosen" cmp six.gguf again6.gguf
# Steps, forwards and judgements of a killed run are those of one that was not.
check "history of a run" tune --steps 12 --checkpoint whole --checkpoint-every 100
check "is killed on its way" kill_when "beyond torn/run.zolog $(written whole/run.zolog 8)" "$program" finetune --model "$base" "${few[@]}" "${rates[@]}" --steps 12 --checkpoint-every 100 --checkpoint torn
check "goes on" tune --steps 12 --checkpoint torn --resume
steps_of() { grep -oE '"(dev_)?step":[0-9]+|"forwards":[0-9]+' "$1/history.jsonl" | sort; }
steps_of whole > whole.txt
steps_of torn > torn.txt
check "with the history of a run that was not killed" cmp whole.txt torn.txt
mkdir damaged
printf '{"dev_step":-5,"loss":0.1,"accuracy":1,"auc":1}\n' > damaged/history.jsonl
cp whole/run.zolog damaged/
wrong "a history that no run writes" "history.jsonl: offset 0: no line of a run" tune --steps 12 --checkpoint damaged --resume

cp -r folder read
wrong "a file of the model's folder" "is read by this run" \
  "$program" evaluate --model read --data "$shipped" --test 16 --json read/config.json
wrong "the weights of the model's folder" "is read by this run" \
  "$program" finetune --model read "${few[@]}" --steps 1 --save read/model.safetensors
check "the folder is as it was" diff -r folder read
printf '\xef\xbb\xbfsentence\tlabel\n' > marked.tsv
for i in $(seq 10); do printf 'a fine film %d\t1\na dull film %d\t0\n' "$i" "$i"; done >> marked.tsv
check "a table with the mark of UTF-8, judged whole" \
  "$program" evaluate --model "$model" --data marked.tsv --train 0 --dev 0
cp out.txt said.txt
check "all its examples" grep -q '^examples 20,' said.txt
mkdir glue
cp marked.tsv glue/train.tsv
cp marked.tsv glue/dev.tsv
check "a folder of few examples" "$program" finetune --model "$model" --data glue --steps 1 --lr 1e-4 --eps 1e-3
wrong "layers that are none" "layers is '1abc:3xyz'" tune --steps 1 --layers 1abc:3xyz
wrong "a momentum that is no number" "momentum: is nan" tune --steps 1 --method zo-mmt --momentum nan
wrong "a scale of nothing" "lora-alpha: is 0" tune --steps 1 --scheme lora --lora-alpha 0
wrong "a seed beyond 64 bits" "less than 2.63" tune --steps 1 --seed 18446744073709551616
wrong "a negative number of judged examples" "test: is -5" "$program" evaluate --model "$model" --data "$shipped" --test -5
wrong "a radius that changes nothing" "does not change the loss" \
  "$program" finetune --model "$base" "${few[@]}" --steps 1 --eps 1e-30
wrong "one element a step" "directions coordinate" tune --steps 1 --directions coordinate
wrong "two subcommands" "finetune stands behind another" "$program" score finetune
wrong "the beginning of an option" "did you mean --batch" tune --ba 4
check "a version" "$program" --version

claims() { "$program" --model "$model" --data "$shipped" --threads 1 "$@"; }
# What a run has to say, but for its time and memory.
figures() { grep -E '"(zo-|adam|zero_shot|table)[^"]*":' "$1/metrics.json"; }
check "the claims" claims --out claims
check "a report of the claims" grep -q "</html>" claims/report.html
check "all stages ended" test ! -e claims/stages.json
check "is killed on its way" kill_when 'grep -qs "learning/zo-sgd" killed/stages.json' "$program" --model "$model" --data "$shipped" --threads 1 --out killed
check "the killed claims left stages" test -s killed/stages.json
check "claims resumed" claims --out killed --resume
cp out.txt said.txt
check "resumed claims say where" grep -qE '^resumed after [1-9][0-9]* stages$' said.txt
figures claims > whole.txt
figures killed > parts.txt
check "claims have figures" test -s whole.txt
check "killed and resumed claims have the figures of others" cmp whole.txt parts.txt
wrong "claims of no model" "nothing.gguf" "$program" --model nothing.gguf --data "$shipped" --out none
wrong "claims of no data" "nothing.txt" "$program" --model "$model" --data nothing.txt --out none
check "and leave nothing" test ! -e none
wrong "claims over a file" "not a folder" claims --out texts.txt
wrong "fewer than no seeds" "seeds" claims --seeds -3 --out none
mkdir broken
echo '{"run": 1}' > broken/stages.json
wrong "a damaged record of claims" "stages.json" claims --resume --out broken
cp "$model" own.gguf
wrong "a save over the model" "is read by this run" "$program" finetune --model own.gguf "${few[@]}" --steps 1 --save ./own.gguf
wrong "figures over the model" "is read by this run" "$program" evaluate --model own.gguf --data "$shipped" --json own.gguf
wrong "a replay over the model" "is read by this run" "$program" replay --model own.gguf --log a.zolog --save own.gguf
check "the model is as it was" cmp own.gguf "$model"
wrong "two files of one name" "named twice" tune --steps 1 --log same --save same
wrong "figures to nowhere" "does not exist" "$program" evaluate --model "$model" --data "$shipped" --json nowhere/x.json
printf 'caf\351 is Latin-1\n' > latin.txt
check "scores of a line that is not UTF-8" "$program" score --model "$model" --text latin.txt --json latin.json
wrong "options before the subcommand" "stands before" "$program" --seed 7 finetune --model "$model" "${few[@]}" --steps 1
wrong "claims of another task" "task" claims --task rte --out none
wrong "no examples to train on" "at least 1" "$program" finetune --model "$model" --data "$shipped" --train -5
wrong "an endless rate" "lr is 'inf'" "$program" finetune --model "$model" "${few[@]}" --steps 1 --lr inf
wrong "a log to nowhere" "does not exist" tune --steps 1 --checkpoint fresh2 --log nowhere/r.zolog
wrong "memory of an unknown format" "f64" "$program" memory --model "$model" --no-measure --dtype f64
check "evaluate after the examples that were trained on" "$program" evaluate --model "$model" --data "$shipped" --train 64 --dev 16 --test 16
cp out.txt said.txt
check "it says how many" grep -q '^examples 16,' said.txt
head -c -16 a.zolog > unended.zolog
wrong "a log without its end" "has no end: the run was stopped after 12 steps" \
  "$program" replay --model "$model" --log unended.zolog --save unended.gguf
check "it is replayed when that is wanted" \
  "$program" replay --model "$model" --log unended.zolog --save unended.gguf --unfinished
check "with the bits of the last step" cmp a.gguf unended.gguf
wrong "a negative seed" "at least 0" claims --seed -1 --out none
wrong "no examples a step" "at least 1" "$program" memory --model "$model" --batch 0
wrong "lines of a folder" "is a folder" "$program" score --model "$model" --text "$shipped" --json x.json
wrong "an option misspelt that is required" "unknown option --modle; did you mean --model\?" "$program" evaluate --modle "$model"
wrong "a misspelt subcommand" "unexpected word finetun; did you mean finetune\?" "$program" finetun --model "$model"

# A weight that is not a number: the last of the file.
cp -r base nan
printf '\377\377\377\377' |
  dd of=nan/model.safetensors bs=1 seek=$(($(stat -c %s base/model.safetensors) - 4)) conv=notrunc status=none
wrong "accuracy of NaN" "nan: .* not finite" "$program" evaluate --model nan --data "$shipped" --test 16 --json nan.json
wrong "text of NaN" "nan: .* not finite" "$program" generate --model nan --prompt "The film" --tokens 2
wrong "log-probabilities of NaN" "nan: .* not finite" "$program" score --model nan --text texts.txt --json nan.json
base=nan
wrong "a run from NaN" "nan: .* not finite" tune --steps 1 --save x.gguf
base=$model
check "and none gives figures" test ! -e nan.json
rates=(--lr 1e300 --eps 1e-3)
wrong "a run that diverges" "3 steps in a row without a finite loss" tune --steps 8 --max-skips 3 --save x.gguf
wrong "a run that ends without a finite loss" "loss on dev was never finite" tune --steps 4 --save x.gguf
rates=(--lr 1e-4 --eps 1e-3)
check "neither is saved" test ! -e x.gguf
check "a run to judge" tune --steps 8 --checkpoint judged
sed -i 's/^{"dev_step":4,.*/{"dev_step":4,"loss":null,"accuracy":1.0,"auc":1.0}/' judged/history.jsonl
check "a judgement without a finite loss" tune --steps 8 --checkpoint judged --resume
cp out.txt said.txt
check "is not the one chosen" grep -qE '^step 4: dev loss -?nan, accuracy 1.000, auc 1.000$' said.txt
check "another is" grep -q '^step 8: .*(chosen)$' said.txt

for name in notes notes.part; do
  echo "my notes" > $name
  wrong "a log over $name" "$name: .*not a replay log" tune --steps 1 --log notes
  check "$name are as they were" grep -qx "my notes" $name
  rm $name
done
check "a log over a log" tune --steps 1 --log run.zolog
wrong "a log over a device" "not a regular file" tune --steps 1 --log /dev/null
cp a.gguf kept.gguf
chmod a-w kept.gguf report/metrics.json e.json run.zolog
wrong "a read-only model" "kept.gguf: is read-only" tune --steps 1 --save kept.gguf
wrong "a read-only log" "run.zolog: is read-only" tune --steps 1 --log run.zolog
wrong "a read-only report" "report/metrics.json: is read-only" tune --steps 1 --out report
wrong "read-only figures" "e.json: is read-only" "$program" evaluate --model "$model" --data "$shipped" --json e.json
check "the read-only model is as it was" cmp a.gguf kept.gguf
mkdir locked
chmod a-w locked
((EUID == 0)) || wrong "a read-only folder" "read-only" tune --steps 1 --save locked/x.gguf

wrong "no name of a model" "model: is empty" "$program" evaluate --model "" --data "$shipped"
wrong "no name to save as" "save: is empty" tune --steps 1 --save ""
wrong "a checkpoint over a file" "texts.txt: is not a folder" tune --steps 1 --checkpoint texts.txt
wrong "a checkpoint in no folder" "does not exist" tune --steps 1 --checkpoint nowhere/ck
check "no folder was made" test ! -e nowhere
check "a folder with a slash" tune --steps 1 --checkpoint slash/
wrong "a temperature below zero" "temperature: is -1; want at least 0" "$program" generate --model "$model" --prompt The --temperature -1
wrong "a share of no tokens" "top-p is 0" "$program" generate --model "$model" --prompt The --top-p 0
wrong "too many threads" "threads: .*1024" tune --steps 1 --threads 1000000
check "a batch of more than all" "$program" finetune --model "$model" "${few[@]:0:8}" "${rates[@]}" \
  --steps 1 --batch 9223372036854775807 --out batch
check "is one of all" grep -q "1 of 64 examples" batch/report.html

echo "$passed passed, $failed failed"
((failed == 0))
