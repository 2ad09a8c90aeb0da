"""`plitka serve`: the web page and a gateway in front of Cog's server, the OpenAPI schema, clean-up.

Imports `engines`, `weights`, `request`, `match`, `colors`, `files`, `tile`, `output`, `settings`, `choices`,
`errors`. `predict.py` takes its folders from here.
"""
