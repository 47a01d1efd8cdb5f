"""Statistics of curves and of scores: numbers in, numbers out. Pure functions of numpy arrays.

Nothing is rounded or left out unless it is counted; nan stays nan.
"""
