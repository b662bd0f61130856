"""Fetch movie snippets with the ratings of some fifteen raters each, and write what `burn-pg lm` reads.

    python3 prepare.py FOLDER

Writes documents.txt (one snippet a line), ratings.jsonl (snippets with their ratings), prompts.jsonl (the first words of snippets) and
lexicon.txt (VADER's) into FOLDER. Needs Python 3.9 and pip. The texts are third parties': they are fetched, not passed on.

Source: C. Hutto, E. Gilbert, VADER: a parsimonious rule-based model for sentiment analysis of social media text (2014); the source package
vaderSentiment 3.3.2 on PyPI (MIT).
"""
import io, json, pathlib, random, subprocess, sys, tarfile, tempfile

PACKAGE = "vaderSentiment==3.3.2"
SNIPPETS = "hutto_ICWSM_2014/movieReviewSnippets_"
PROMPT_WORDS = (2, 5)


def member(archive, ending):
    name = next(name for name in archive.getnames() if name.endswith(ending))
    return archive.extractfile(name).read()


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as download:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", download, PACKAGE]
        subprocess.run(command, check=True)
        package = next(pathlib.Path(download).glob("*.tar.gz"))
        with tarfile.open(package) as outer:
            lexicon = member(outer, "vaderSentiment/vader_lexicon.txt")
            inner = member(outer, "hutto_ICWSM_2014.tar.gz")
        with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
            texts = member(archive, SNIPPETS + "GroundTruth.txt").decode("utf-8", "replace")
            ratings = member(archive, SNIPPETS + "anonDataRatings.txt").decode()
    snippets = {}
    for line in texts.splitlines():
        number, _, text = line.split("\t", 2)
        snippets[number] = " ".join(text.replace("''", '"').split())
    rated = []
    for line in ratings.splitlines():
        number, _, _, numbers = line.split("\t")
        if snippets.get(number):
            rated.append({"text": snippets[number], "ratings": json.loads(numbers)})
    draw = random.Random(1)
    prompts = []
    for entry in rated:
        words = entry["text"].split()
        if len(words) > 8:
            prompts.append({"prompt": " ".join(words[: draw.randint(*PROMPT_WORDS)])})
    lines = lambda entries: "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    (folder / "documents.txt").write_text("".join(entry["text"] + "\n" for entry in rated), encoding="utf-8")
    (folder / "ratings.jsonl").write_text(lines(rated), encoding="utf-8")
    (folder / "prompts.jsonl").write_text(lines(prompts), encoding="utf-8")
    (folder / "lexicon.txt").write_bytes(lexicon)
    print(f"{len(rated)} snippets with {sum(len(entry['ratings']) for entry in rated)} ratings, {len(prompts)} prompts")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
