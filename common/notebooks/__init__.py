"""Lessons as Jupyter notebooks: written from the lesson files, and run with tables and pictures under the cells."""
