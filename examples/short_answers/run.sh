#!/bin/sh
# Teach a chat model to answer in about twenty words, with adapters.
#
#     examples/short_answers/run.sh MODEL FOLDER
#
# MODEL is a folder of Hugging Face with a chat template, such as a download of HuggingFaceTB/SmolLM2-135M-Instruct.
set -eu
here=$(dirname "$0")
model=${1:?"usage: run.sh MODEL FOLDER"}
folder=${2:?"usage: run.sh MODEL FOLDER"}
burn_pg=${BURN_PG:-"cargo run --release --quiet --"}

[ -e "$folder/rl" ] || $burn_pg lm rl "$model" "$here/prompts.jsonl" --reward words:20 --lora --out "$folder/rl" \
    --set updates=60 --set learning_rate=2e-4 --set prompts=4 --set group_size=4 --set tokens=64 --set missing_end=1 --set kl.weight=0.02 \
    --set micro_batch=8 --set samples_interval=10
for question in "What is the capital of Italy?" "Why do we need water?" "How does a kite fly?"; do
    for each in "$model" "$folder/rl/model"; do
        printf '%s\n  %s: ' "$question" "$each"
        $burn_pg lm sample "$each" "$question" --chat --temperature 0 --tokens 96
    done
done
