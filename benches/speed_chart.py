"""Draws benches/speed.json as docs/images/speed.svg, the chart of the README. Needs only Python.

    python benches/speed_chart.py
"""

import json
import pathlib
from html import escape

ROOT = pathlib.Path(__file__).parent.parent
WIDTH, LABEL, ROW, BAR, TOP = 720, 210, 34, 22, 44
# The bar of burn-pg, and those of the others.
COLOURS = ["#d55e00", "#8a9199"]

# The same texts on light and dark pages.
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1b1f24 }
.title { font-weight: 600; font-size: 15px } .note { font-size: 11.5px; opacity: .7 }
@media (prefers-color-scheme: dark) { text { fill: #e6e9ec } }
"""


def chart(measured):
    bars = measured["bars"]
    most = max(bar["steps_per_second"] for bar in bars)
    height = TOP + ROW * len(bars) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(measured['title'])}</title><style>{STYLE}</style>",
        f'<text class="title" x="0" y="20">{escape(measured["title"])}</text>',
    ]
    for row, bar in enumerate(bars):
        y, speed = TOP + ROW * row, bar["steps_per_second"]
        length = (WIDTH - LABEL - 80) * speed / most
        middle = y + BAR / 2 + 5
        parts += [
            f'<text x="{LABEL - 10}" y="{middle}" text-anchor="end">{escape(bar["name"])}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{COLOURS[min(row, 1)]}"/>',
            f'<text x="{LABEL + length + 8:.1f}" y="{middle}">{speed:,}</text>',
        ]
    parts += [f'<text class="note" x="0" y="{height - 6}">{escape(measured["note"])}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    measured = json.loads((ROOT / "benches/speed.json").read_text())
    (ROOT / "docs/images/speed.svg").write_text(chart(measured))
