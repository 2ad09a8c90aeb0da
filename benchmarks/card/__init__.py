"""Production on one graphics card: SDXL's exact architecture on random weights, timed and weighed."""
