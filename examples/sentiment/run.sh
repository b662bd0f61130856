#!/bin/sh
# From nothing to a language model that continues film reviews more kindly: texts and ratings are fetched, a small model learns the language,
# a reward model learns what raters prefer, the language model learns from the reward model, and gold standards that neither has seen
# compare both. Takes 21 minutes on two quiet cores. Needs Python 3.9, pip and numpy.
#
#     examples/sentiment/run.sh FOLDER
set -eu
here=$(dirname "$0")
folder=${1:?"usage: run.sh FOLDER"}
burn_pg=${BURN_PG:-"cargo run --release --quiet --"}

[ -e "$folder/ratings.jsonl" ] || python3 "$here/prepare.py" "$folder"
[ -e "$folder/base" ] || $burn_pg lm pretrain "$folder/documents.txt" --out "$folder/base" --set updates=2500
[ -e "$folder/reward" ] || $burn_pg lm reward "$folder/base/model" "$folder/ratings.jsonl" --out "$folder/reward" \
    --set pairs=10000 --set batch=32 --set updates=600 --set learning_rate=5e-4
[ -e "$folder/rl" ] || $burn_pg lm rl "$folder/base/model" "$folder/prompts.jsonl" --reward "model:$folder/reward/model" --out "$folder/rl" \
    --set updates=262 --set learning_rate=1e-4 --set prompts=16 --set group_size=8 --set tokens=32 --set missing_end=1 --set kl.weight=0.05
# 400 completions of the same prompts, before and after.
head -n 400 "$folder/prompts.jsonl" | python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line)["prompt"])' > "$folder/prompts.txt"
for model in base rl; do
    $burn_pg lm sample "$folder/$model/model" --json --tokens 32 < "$folder/prompts.txt" > "$folder/$model-samples.jsonl"
    python3 - "$folder/prompts.txt" "$folder/$model-samples.jsonl" <<'PY'
import json, sys
prompts, path = open(sys.argv[1], encoding="utf-8").read().splitlines(), sys.argv[2]
records = [json.loads(line) for line in open(path, encoding="utf-8")]
with open(path, "w", encoding="utf-8") as file:
    for prompt, record in zip(prompts, records):
        file.write(json.dumps(record | {"whole": prompt + record["text"]}, ensure_ascii=False) + "\n")
PY
done
python3 "$here/gold.py" "$folder" "before=$folder/base-samples.jsonl" "after=$folder/rl-samples.jsonl"
for model in base rl; do
    echo "$model:"
    head -n 5 "$folder/$model-samples.jsonl" | python3 -c 'import json, sys
for line in sys.stdin: print("   ", json.loads(line)["whole"])'
done
