"""Makes the embedded model `mini`: a small SDXL trained from nothing on the project's own swatches."""
