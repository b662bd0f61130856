"""Compare reward models of `burn-pg lm reward` with those of TRL's reward trainer: the same base, pairs, settings and held-out pairs.

    python3 benches/peers/trl_reward.py pairs FOLDER            writes FOLDER/pairs.jsonl and FOLDER/held-out-pairs.jsonl
    python3 benches/peers/trl_reward.py train FOLDER OUT [SEED] trains with TRL, and writes a model folder
    python3 benches/peers/trl_reward.py compare FOLDER MODEL MODEL ...

FOLDER is that of examples/sentiment/run.sh; it has `ratings.jsonl` and `base/model`. The model of burn-pg:

    burn-pg lm reward FOLDER/base/model FOLDER/pairs.jsonl --out RUN --set held_out=0 \\
        --set batch=32 --set updates=600 --set learning_rate=5e-4

`compare` reads all models with transformers, and prints the accuracy of each and its difference from the first one, with 95 % intervals
(a bootstrap over the held-out snippets). Needs torch, transformers, trl and numpy.
"""
import json, pathlib, random, sys, time

PAIRS = 10_000
HELD_OUT = 0.1
END = "<|endoftext|>"
RESAMPLES = 2_000


def write_pairs(folder):
    """As burn-pg draws them: two snippets, for each the rating of one rater; the one with the higher rating is chosen."""
    snippets = [json.loads(line) for line in open(folder / "ratings.jsonl", encoding="utf-8")]
    rng = random.Random(1)
    rng.shuffle(snippets)
    held_out = round(HELD_OUT * len(snippets))
    for name, part in [("held-out-pairs", snippets[:held_out]), ("pairs", snippets[held_out:])]:
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as file:
            written = 0
            while written < PAIRS:
                sides = [(rng.choice(snippet["ratings"]), snippet["text"]) for snippet in rng.sample(part, 2)]
                (low, rejected), (high, chosen) = sorted(sides)
                if low < high and chosen != rejected:
                    pair = {"prompt": "", "chosen": chosen, "rejected": rejected}
                    file.write(json.dumps(pair, ensure_ascii=False) + "\n")
                    written += 1


def read_pairs(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def start_of(tokenizer):
    """The end token before each text, unless the tokenizer puts it there itself: burn-pg trains with one before and one behind each text."""
    return "" if tokenizer("a")["input_ids"][0] == tokenizer.eos_token_id else END


def train(folder, out, seed):
    import torch, transformers
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    torch.set_num_threads(2)
    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "base/model")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "base/model", num_labels=1, dtype=torch.float32)
    # TRL adds the end token behind each text.
    start = start_of(tokenizer)
    pairs = [{side: start + pair[side] for side in ["chosen", "rejected"]} for pair in read_pairs(folder / "pairs.jsonl")]
    config = RewardConfig(
        output_dir=str(out), seed=seed, max_steps=600, per_device_train_batch_size=32, learning_rate=5e-4, lr_scheduler_type="linear",
        weight_decay=0.0, max_grad_norm=1.0, center_rewards_coefficient=0.01, max_length=128, gradient_checkpointing=False, bf16=False,
        use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no", logging_steps=50, disable_dropout=True,
    )
    trainer = RewardTrainer(model=model, args=config, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer)
    begin = time.time()
    trainer.train()
    print(f"trained in {time.time() - begin:.0f} s")
    trainer.save_model(str(out))


def scores(model_folder, texts):
    import torch, transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(model_folder, dtype=torch.float32).eval()
    start, of_text = start_of(tokenizer), {}
    with torch.no_grad():
        for first in range(0, len(texts), 64):
            part = texts[first:first + 64]
            tokens = tokenizer([start + text + END for text in part], padding=True, return_tensors="pt")
            logits = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits[:, 0]
            of_text.update(zip(part, logits.tolist()))
    return of_text


def compare(folder, models):
    import numpy as np

    pairs = read_pairs(folder / "held-out-pairs.jsonl")
    texts = sorted({pair[side] for pair in pairs for side in ["chosen", "rejected"]})
    index = {text: number for number, text in enumerate(texts)}
    sides = np.array([[index[pair["chosen"]], index[pair["rejected"]]] for pair in pairs])
    right = []
    for model in models:
        of_text = scores(model, texts)
        values = np.array([of_text[text] for text in texts])
        right.append((values[sides[:, 0]] > values[sides[:, 1]]).astype(float))
    rng = np.random.default_rng(1)
    # A pair counts as often as both of its snippets were drawn.
    weights = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(texts), len(texts)), minlength=len(texts))
        weights.append(times[sides[:, 0]] * times[sides[:, 1]])
    weights = np.array(weights, dtype=float)
    weights /= weights.sum(axis=1, keepdims=True)
    def row(values):
        low, high = np.percentile(weights @ values, [2.5, 97.5])
        return f"{100 * values.mean():6.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
    for model, values in zip(models, right):
        print(f"{model}: accuracy {row(values)}, less that of the first {row(values - right[0])}")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    what, folder, *rest = sys.argv[1:]
    folder = pathlib.Path(folder)
    if what == "pairs":
        write_pairs(folder)
    elif what == "train" and rest:
        train(folder, pathlib.Path(rest[0]), int(rest[1]) if len(rest) > 1 else 1)
    elif what == "compare" and rest:
        compare(folder, rest)
    else:
        sys.exit(__doc__)


main()
