"""The figures and tables of arXiv 1905.13214, drawn again from the published files."""

from edfstat.paper.book import draw_paper

__all__ = ["draw_paper"]
