"""Kandinsky 2.2: a prior that makes an image embedding of a text, a decoder that makes a picture of it."""
