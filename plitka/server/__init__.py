"""`plitka serve`: the web page and a gateway in front of Cog's server, the OpenAPI schema, clean-up.

Imports `engines`, `output`, `request`, `files`, `errors`; `predict.py` takes its folders and schema from
here.
"""
