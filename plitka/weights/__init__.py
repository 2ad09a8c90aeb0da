"""Weight files: the manifest, where each comes from, whether it is whole, archives. Needs no torch.

Imports `request`, `files`, `settings`, `operator_file`, `choices`, `errors`.
"""
