"""Makes DejaVuSans-subset.ttf from the Debian package fonts-dejavu-core. Needs fonttools."""

from fontTools import subset
from fontTools.ttLib import TTFont

# Latin-1, Greek letters, dashes, quotes, superscript and subscript digits, arrows and signs of comparison.
CHARACTERS = (
    "20-7E,A0-FF,391-3A1,3A3-3A9,3B1-3C9,2010-2015,2018-201E,2020-2022,2026,2032,2033,2070,2074-2079,2080-2089,"
    "2190-2193,2212,221E,2248,2260,2264,2265"
)

options = subset.Options(
    hinting=False, layout_features=[], glyph_names=False, notdef_outline=True, name_IDs=["*"], recalc_bounds=True
)
options.drop_tables += ["GPOS", "GSUB", "GDEF", "kern", "MATH", "FFTM", "gasp"]
font = TTFont("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", recalcTimestamp=False)
subsetter = subset.Subsetter(options)
subsetter.populate(unicodes=subset.parse_unicodes(CHARACTERS))
subsetter.subset(font)
# The copyright and the licence stay in the font, once, with one byte a character.
texts = {name.nameID: name.toUnicode() for name in font["name"].names if name.nameID in (0, 1, 2, 4, 6, 13)}
font["name"].names = []
for number, text in texts.items():
    font["name"].setName(text, number, 1, 0, 0)
font.save("DejaVuSans-subset.ttf")
with open("LICENSE", "w", encoding="utf-8") as licence:
    about = "DejaVuSans-subset.ttf is a subset of DejaVu Sans 2.37 (https://dejavu-fonts.github.io), made by subset.py."
    print(about, *(texts[number].replace("\r\n", "\n").replace("\r", "\n") for number in (0, 13)), sep="\n\n", file=licence)
