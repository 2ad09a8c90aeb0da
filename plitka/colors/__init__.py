"""The palette, its names, a mix of its colours, CIELAB. Imports `settings`, `operator_file` and `errors`."""
