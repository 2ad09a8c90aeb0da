"""Faults of a model's picture, made on purpose on a swatch of a plan."""

from dataclasses import replace

import cv2
import numpy as np

from plitka.colors.lab import to_lab
from plitka.tile.plan import inner_pixels
from plitka.tile.swatch import draw_swatch


def to_srgb(lab):
    return np.rint(np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2RGB), 0, 1) * 255).astype(
        np.uint8
    )


def with_wrong_granules(plan, part, seed=0):
    """The plan with a part of its granules given to random colours of the mix."""
    rng = np.random.default_rng(seed)
    colors = plan.granule_color.copy()
    wrong = rng.random(len(colors)) < part
    colors[wrong] = rng.integers(0, len(plan.mix), wrong.sum())
    return replace(plan, granule_color=colors)


def bled(image, softness):
    """Colours run over the edges of granules, the light does not."""
    lab = to_lab(image)
    lab[..., 1:] = cv2.GaussianBlur(lab[..., 1:], (0, 0), softness)
    return to_srgb(lab)


def tinted(image, lightness, a, b):
    """One cast over everything."""
    return to_srgb(to_lab(image) + np.array([lightness, a, b], np.float32))


def softened(image, softness=0.9, noise=3, seed=0):
    """As a decoder leaves it: a little blurred, a little noisy."""
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(image.astype(np.float32), (0, 0), softness) + rng.normal(0, noise, image.shape)
    return np.clip(np.rint(soft), 0, 255).astype(np.uint8)


def with_own_details(image, labels, kept=0.7, deviation=2, seed=0):
    """Granules as light as they were, but a part of the facets and grain inside is a model's own."""
    lab, inside = to_lab(image), inner_pixels(labels)
    granule, lightness = labels[inside] + 1, lab[inside, 0]
    light = (np.bincount(granule, lightness) / np.maximum(np.bincount(granule), 1))[granule]
    own = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, labels.shape), (0, 0), 1)
    lab[inside, 0] = light + kept * (lightness - light) + own[inside] * (deviation / own.std())
    return to_srgb(lab)


def drawn_badly(plan, size):
    """Every fault at once."""
    picture = draw_swatch(with_wrong_granules(plan, 0.12), size)
    return softened(tinted(bled(picture, 1.0), 3, 5, -4), 0.6, 2)
