"""exptools-view --web: a page on this machine on which a sweep is explored while it runs.

Who may ask is for guard, hosts and peers; where it listens and how it ends for listening and serve. What is
shown is a View (view), of the runs as they are now (live, board); the page is layout and app.
"""
