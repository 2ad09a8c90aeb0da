"""The engine that draws with SDXL-format models: pipelines, ControlNets, samplers, acceleration.

The only package that imports torch and diffusers at import time. Imports `engine`, `weights`,
`tile`, `request`, `device` and what lies below.
"""
