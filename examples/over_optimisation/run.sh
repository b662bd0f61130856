#!/bin/sh
# What happens when a reward model is optimised too far: reward models are learned from 1,000, 3,000 and 10,000 comparisons of film reviews, and a
# language model is trained for each of them, with and without a KL penalty, with three seeds, while a gold standard watches that no training
# uses. Begins with the base model of ../sentiment/run.sh. Two runs at a time, on a thread each. Needs Python 3.9, pip and numpy.
#
#     examples/over_optimisation/run.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?"usage: run.sh FOLDER"}
burn_pg=${BURN_PG:-"cargo run --release --quiet --"}
export here folder burn_pg

[ -e "$folder/ratings.jsonl" ] || python3 "$here/../sentiment/prepare.py" "$folder"
[ -e "$folder/base" ] || $burn_pg lm pretrain "$folder/documents.txt" --out "$folder/base" --set updates=2500
for pairs in 1000 3000 10000; do
    [ -e "$folder/proxy-$pairs" ] || $burn_pg lm reward "$folder/base/model" "$folder/ratings.jsonl" --out "$folder/proxy-$pairs" \
        --set "pairs=$pairs" --set batch=32 --set updates=600 --set learning_rate=5e-4
done
one() {
    updates=$1 weight=$2 seed=$3 pairs=$4
    run="$folder/$pairs-pairs-kl-$weight-$seed"
    if grep -qs "\"updates\": $updates" "$run/summary.json"; then
        :
    elif [ -e "$run" ]; then
        $burn_pg lm rl --resume "$run" --quiet --set "train.updates=$updates"
    else
        $burn_pg lm rl "$folder/base/model" "$folder/prompts.jsonl" --out "$run" --quiet \
            --reward "model:$folder/proxy-$pairs/model" --watch "script:python3 $here/gold_reward.py $folder" \
            --set "updates=$updates" --set learning_rate=1e-4 --set prompts=16 --set group_size=8 --set tokens=32 --set minibatches=4 \
            --set "kl.weight=$weight" --set kl.measure=true --set "train.seed=$seed" --set train.threads=1
    fi
}
if [ "${2:-}" = one ]; then
    shift 2
    one "$@"
    exit
fi
# A run without a penalty needs longer until its gold standard has peaked.
for run in "280 0.0" "140 0.1"; do for seed in 1 2 3; do for pairs in 1000 3000 10000; do echo "$run $seed $pairs"; done; done; done |
    xargs -P 2 -n 4 "$0" "$folder" one
$burn_pg lm curve "$folder"/*-pairs-kl-0.0-? "$folder"/*-pairs-kl-0.1-? --best-of 256 --out "$folder/curve.svg"
