"""What an engine is, and `render`, which needs no model. Imports `tile`, `request` and what lies below."""
