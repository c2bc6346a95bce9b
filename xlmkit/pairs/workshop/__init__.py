"""The workshop's pairs, parallel in 15 languages and with the words that decide each label; and the checks of files in their format.

The format is JSON Lines, a file a language (`en.jsonl`, `fr.jsonl`, ...), an item a line: `id`, `phenomenon`, `label`, `premise`, `hypothesis`,
`premise_rationale`, `hypothesis_rationale` (lists of character spans [start, end)) and, in English, a teacher's `note`.

`items` reads such a file, `findings` is how faults are said; `spans`, `letters`, `typography`, `balance`, `cues` and `parallel` are one check
each, `check` runs them all; `frame` joins the bundled files."""

from xlmkit.pairs.workshop.check import check_files
from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.frame import workshop
from xlmkit.pairs.workshop.items import PHENOMENA, Item

__all__ = ["PHENOMENA", "Finding", "Item", "check_files", "workshop"]
