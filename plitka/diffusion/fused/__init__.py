"""Several steps of a model done by one GPU kernel each; off unless `PLITKA_FUSED` asks for them."""
