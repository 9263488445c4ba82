"""How the scenes are composed, examined pixel by pixel."""
