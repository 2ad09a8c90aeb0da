"""A LoRA and a textual inversion: read, checked, and put into the models' weights."""
