"""Figures for papers: what is asked for (Spec), what is shown (Data), drawing it, what lies beside it."""
