"""Proposals: computed once per image, labelled by objects, compared with other boxes."""
