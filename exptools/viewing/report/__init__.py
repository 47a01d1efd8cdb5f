"""One self-contained HTML file of a sweep: curves to play with, tables, differences."""
