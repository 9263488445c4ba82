"""How losses are minimised: what makes the lessons' algorithms fast and safe."""
