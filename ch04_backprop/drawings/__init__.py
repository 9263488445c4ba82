"""Drawings that are too long for the lesson's file."""
