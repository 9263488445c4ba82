"""The detector of Dalal and Triggs 2005: HOG of whole pictures, windows, pyramid, hard negatives (chapters 6 and 7)."""
