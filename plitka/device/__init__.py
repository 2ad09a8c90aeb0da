"""The device that draws: which one, its memory, and work beside the drawing. Imports `settings`, `errors`."""
