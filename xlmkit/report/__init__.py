"""Report: what predictions tell about each language, on one page.

`analyse` computes the frames with `metrics`, `findings` sums them up in sentences, and `page` is
the HTML document with the figures of `plots`, the tables and the sentences."""

from xlmkit.report.analysis import Analysis, analyse, gap_by_feature
from xlmkit.report.findings import findings
from xlmkit.report.page import page

__all__ = ["Analysis", "analyse", "findings", "gap_by_feature", "page"]
