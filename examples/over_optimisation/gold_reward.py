"""A gold standard that answers `burn-pg lm rl --watch "script:python3 gold_reward.py FOLDER"`: for each text, the rating (-4 to 4) of a ridge
regression on words and pairs of words, fitted to the mean ratings of all snippets in FOLDER/ratings.jsonl. Needs numpy.
"""
import json, pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "sentiment"))
from gold import Ridge

rated = [json.loads(line) for line in (pathlib.Path(sys.argv[1]) / "ratings.jsonl").open(encoding="utf-8")]
gold = Ridge([entry["text"] for entry in rated], [sum(entry["ratings"]) / len(entry["ratings"]) for entry in rated])
for line in sys.stdin:
    text = json.loads(line)
    print(gold.score(text["prompt"] + text["completion"]), flush=True)
