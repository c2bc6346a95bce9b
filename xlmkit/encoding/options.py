"""Options that are whole numbers."""

from __future__ import annotations

import numpy as np


def is_whole(value: object) -> bool:
    """Whether an option is a whole number: an int of Python or numpy, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
