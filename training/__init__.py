"""Makes the embedded model `mini` from nothing, and adapters from photographs, which `train.py` asks for.

May import the package, which never imports it.
"""
