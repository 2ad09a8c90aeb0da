"""Pictures that are drawn in a fraction of their usual time."""

# `render`, in a tenth of it: so few granules that they can be told apart in the preview too.
SMALL = {"width": 256, "height": 256, "width_mm": 42}
# The smallest picture that an engine with models draws, in a quarter of its usual time.
SMALL_OF_MODELS = {"width": 512, "height": 512, "width_mm": 80}
