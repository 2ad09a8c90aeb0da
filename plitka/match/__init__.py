"""From a photograph of a tile to its recipe. Imports `tile`, `colors` and what lies below; no torch."""
