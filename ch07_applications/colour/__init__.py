"""Colour: three networks that colour grey photographs, beside nearest neighbours, ridge and trees."""
