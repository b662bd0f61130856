"""Score texts with gold standards that no reward model has seen: a ridge regression on words and pairs of words, fitted to the mean
ratings of all snippets, and VADER's lexicon.

    python3 gold.py FOLDER NAME=FILE ...

FOLDER is that of prepare.py. Each FILE has JSON lines with `text` (as `burn-pg lm sample --json` prints them), or with `prompt` and
`completion`. Prints one row for each: means with their 95 % intervals. Needs numpy.
"""
import json, math, pathlib, re, sys
import numpy as np

PENALTY = 0.3
HELD_OUT = 0.1


def words(text):
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)*|[!?]", text.lower())


def features(text, index, grow):
    tokens = words(text)
    names = set(tokens) | {f"{a} {b}" for a, b in zip(tokens, tokens[1:])}
    if grow:
        for name in names:
            index.setdefault(name, len(index))
    return np.array(sorted(index[name] for name in names if name in index), dtype=np.int64)


class Ridge:
    """Least squares with a penalty, by conjugate gradients on the normal equations."""

    def __init__(self, texts, targets):
        self.index = {}
        rows = [features(text, self.index, True) for text in texts]
        self.columns = np.concatenate(rows)
        self.rows = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        self.scale = np.array([1 / math.sqrt(max(len(row), 1)) for row in rows])
        targets = np.array(targets)
        self.mean = targets.mean()
        self.weights = self.solve(targets - self.mean)

    def times(self, weights):
        return self.scale * np.bincount(self.rows, weights[self.columns], minlength=len(self.scale))

    def transposed(self, errors):
        return np.bincount(self.columns, (self.scale * errors)[self.rows], minlength=len(self.index))

    def solve(self, targets):
        weights = np.zeros(len(self.index))
        residual = self.transposed(targets)
        direction, square = residual.copy(), residual @ residual
        for _ in range(200):
            product = self.transposed(self.times(direction)) + PENALTY * direction
            step = square / (direction @ product)
            weights += step * direction
            residual -= step * product
            square, old = residual @ residual, square
            if square < 1e-10:
                break
            direction = residual + square / old * direction
        return weights

    def score(self, text):
        row = features(text, self.index, False)
        return self.mean + (self.weights[row].sum() / math.sqrt(max(len(row), 1)) if len(row) else 0.0)


def lexicon(path):
    valences = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, mean, *_ = line.split("\t")
        valences[word] = float(mean)
    return valences


def sentiment(text, valences):
    """A short form of VADER: valences with negation, without its rules for degrees and capitals."""
    tokens, total = words(text), 0.0
    for i, token in enumerate(tokens):
        before = tokens[max(0, i - 3) : i]
        negated = any(word in ("not", "no", "never") or word.endswith("n't") for word in before)
        total += valences.get(token, 0.0) * (-0.74 if negated else 1.0)
    return total / math.sqrt(total * total + 15)


def interval(numbers):
    numbers = np.array(numbers)
    return f"{numbers.mean():6.3f} ± {1.96 * numbers.std(ddof=1) / math.sqrt(len(numbers)):.3f}"


def main(folder, files):
    rated = [json.loads(line) for line in (folder / "ratings.jsonl").open(encoding="utf-8")]
    texts, means = [entry["text"] for entry in rated], [sum(entry["ratings"]) / len(entry["ratings"]) for entry in rated]
    order = np.random.default_rng(1).permutation(len(texts))
    held_out = order[: int(HELD_OUT * len(order))]
    train = order[len(held_out) :]
    part = Ridge([texts[i] for i in train], [means[i] for i in train])
    r = np.corrcoef([part.score(texts[i]) for i in held_out], [means[i] for i in held_out])[0, 1]
    print(f"the regression predicts held-out mean ratings (-4 to 4) with r = {r:.3f}")
    gold, valences = Ridge(texts, means), lexicon(folder / "lexicon.txt")
    print(f"{'texts':24} {'number':>6}  {'rating':>16}  {'lexicon':>16}  {'words':>16}")
    for name, path in files:
        records = [json.loads(line) for line in open(path, encoding="utf-8")]
        written = [record.get("whole") or record.get("text") or record["prompt"] + record["completion"] for record in records]
        columns = [[gold.score(text) for text in written], [sentiment(text, valences) for text in written], [len(words(text)) for text in written]]
        print(f"{name:24} {len(written):6}  " + "  ".join(f"{interval(column):>16}" for column in columns))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), [argument.split("=", 1) for argument in sys.argv[2:]])
