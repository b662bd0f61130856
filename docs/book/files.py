"""A preprocessor of mdBook: links to files outside the book become their text. Needs only Python."""

import json
import pathlib
import re
import sys

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((\.\./[^)]*)\)")
DOCS = pathlib.Path("docs").resolve()


def inside(text, page):
    def replaced(link):
        target = (DOCS / page).parent / link[2].split("#")[0]
        return link[0] if target.resolve().is_relative_to(DOCS) else link[1]

    return LINK.sub(replaced, text)


def walk(items):
    for item in items:
        if isinstance(item, dict) and "Chapter" in item:
            chapter = item["Chapter"]
            if chapter["path"]:
                chapter["content"] = inside(chapter["content"], chapter["path"])
            walk(chapter["sub_items"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0)
    _, book = json.load(sys.stdin)
    walk(book.get("sections") or book.get("items"))
    json.dump(book, sys.stdout)
