"""The Python code of the documentation runs as it stands there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


# What follows the first block of the last page needs PyTorch.
@pytest.mark.parametrize("page, count", [("README.md", None), ("docs/python.md", None), ("docs/from-sb3.md", 1)])
def test_every_example_runs(page, count):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    names = {}
    for block in blocks[:count]:
        exec(compile(block, page, "exec"), names)
