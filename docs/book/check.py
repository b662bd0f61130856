"""Checks that every link between pages of the built book leads somewhere. Needs only Python.

    mdbook build && python docs/book/check.py target/book
"""

import html.parser
import pathlib
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.names = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names.update(filter(None, [attributes.get("id"), attributes.get("name")]))
        self.links += [link for name in ("href", "src") if (link := attributes.get(name))]


def main(folder):
    pages = {path: Page(path) for path in folder.rglob("*.html") if path.name not in ("print.html", "404.html", "toc.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path.resolve()
            if not target.exists():
                broken.append(f"{path.relative_to(folder)}: {link}")
            elif parts.fragment and target in (known := {key.resolve(): value for key, value in pages.items()}):
                if urllib.parse.unquote(parts.fragment) not in known[target].names:
                    broken.append(f"{path.relative_to(folder)}: {link} (no such heading)")
    print("\n".join(broken) or f"{len(pages)} pages, no broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
