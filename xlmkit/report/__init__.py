"""Report: everything that predictions tell by language, on one page: computed by `metrics`, drawn by `plots`, summed up in sentences.

`analyse` asks the questions, `findings` says in sentences what was found, `page` is the HTML document of it all."""

from xlmkit.report.analysis import Analysis, analyse, loss
from xlmkit.report.findings import findings
from xlmkit.report.page import page

__all__ = ["Analysis", "analyse", "findings", "loss", "page"]
