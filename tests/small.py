"""A picture that `render` draws in a tenth of its usual time; engines with models draw 1024 pixels alone."""

# So few granules that they can be told apart in the preview too.
SMALL = {"width": 256, "height": 256, "width_mm": 42}
