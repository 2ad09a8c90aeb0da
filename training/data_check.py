"""Whether captions tell the truth: the shares and colours that they state, measured in their photographs.

A caption and its photograph disagree if a share is off by more than the tolerance, or if what the caption
calls a colour looks neither like the palette's nor like another known batch of it. What looks like another
batch is noted: the model will draw that where the palette's colour is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

from plitka.colors.palette import delta_e00, palette_in_use
from plitka.errors import PhotographError
from plitka.fidelity.measure import measure
from plitka.match.batches import known_batches
from plitka.match.palette_check import LEAST_SHARE
from plitka.match.photo import read_photograph
from plitka.match.recipe import ALIKE, OUTSIDE, Match, MatchedColor, match_photograph
from training.data_findings import Batch, DataCheck, Disagreement
from training.pictures import Picture
from training.stated_mix import Stated, stated_mix, word_for

# Percentage points by which a share may differ from what is measured: nine photographs of ten are measured
# within 5.3. Pieces of pictures, without a tile to be found, are measured less exactly.
TOLERANCE, PIECE_TOLERANCE = 8.0, 12.0
# What cannot be compared at all is listed before everything that can.
UNMEASURED = float("inf")


@dataclass(frozen=True)
class _Finding:
    disagreement: Disagreement | None = None
    batches: tuple[Batch, ...] = ()
    uneven: bool = False


def check_captions(pictures: Sequence[Picture], tolerance: float = TOLERANCE) -> DataCheck:
    """Compare what every caption states with its picture; `tolerance` is in percentage points.

    One thread a processor.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(lambda picture: _check(picture, tolerance), pictures))
    listed = [each.disagreement for each in found if each.disagreement is not None]
    uneven = [picture.title for picture, each in zip(pictures, found, strict=True) if each.uneven]
    notes = [
        *_notes_of_batches([batch for each in found for batch in each.batches]),
        *_notes_of_words(pictures),
    ]
    if uneven:
        notes.append(
            f"shares differ across {', '.join(uneven)}: something else is in the picture, or several tiles"
        )
    return DataCheck(
        len(pictures), tuple(sorted(listed, key=lambda each: (-each.severity, each.name))), tuple(notes)
    )


def _notes_of_words(pictures: Sequence[Picture]) -> Iterator[str]:
    """A sentence for each word of the captions that prompts do not use for its colour."""
    others: dict[str, str] = {}
    for picture in pictures:
        # What cannot be read is listed as a disagreement.
        with suppress(ValueError):
            stated = stated_mix(picture.caption)
            for word, color in zip(stated.words, stated.mix, strict=True):
                if word != word_for(color.id):
                    others[word] = word_for(color.id)
    for word, said in sorted(others.items()):
        yield f"captions say {word!r} and prompts {said!r}: no request will ask for what that word is taught"


def _check(picture: Picture, tolerance: float) -> _Finding:
    try:
        stated = stated_mix(picture.caption)
        photo = read_photograph(picture.path)
        if picture.original_size is not None:
            measured = [color.measured for color in measure(photo, stated.mix).colors]
            return _Finding(_of_shares(picture, stated, measured, max(tolerance, PIECE_TOLERANCE)))
        match = match_photograph(photo, colors=stated.mix)
        by_itself = match_photograph(photo)
    except PhotographError as error:
        return _Finding(_unmeasured(picture, f"it {error.problem}"))
    except ValueError as error:
        return _Finding(_unmeasured(picture, str(error)))
    return _of_matches(picture, stated, match, by_itself, tolerance)


def _unmeasured(picture: Picture, message: str) -> Disagreement:
    return Disagreement(picture.title, message, UNMEASURED, {}, {})


def _of_matches(
    picture: Picture, stated: Stated, match: Match, by_itself: Match, tolerance: float
) -> _Finding:
    """Judge the match with the caption's colours, and beside it the one that knows of no caption."""
    by_id = {color.id: color for color in match.colors}
    matched = [by_id[color.id] for color in stated.mix]
    measured = [color.share for color in matched]
    found = _of_shares(picture, stated, measured, tolerance)
    batches, strangers = _judge_colors(stated, matched)
    strangers += _unnamed(matched, by_itself, tolerance)
    if found is None and strangers:
        found = _disagreement(picture, stated, measured, "", 0.0)
    if found is not None and not found.exchange:
        seen = ", ".join(f"{100 * color.share:.0f} % {word_for(color.id)}" for color in by_itself.colors)
        said = [found.message, *(message for _, message in strangers), f"by itself it looks like {seen}"]
        severity = max([found.severity, *(difference for difference, _ in strangers)])
        found = replace(found, message="; ".join(filter(None, said)), severity=severity)
    return _Finding(found, batches, match.uneven)


def _unnamed(matched: Sequence[MatchedColor], by_itself: Match, tolerance: float) -> list[tuple[float, str]]:
    """Colours that the photograph shows and the caption does not name: their shares, and words for them."""
    named = [color.lab for color in matched if color.share >= LEAST_SHARE]
    return [
        (100 * color.share, f"{100 * color.share:.0f} % of it looks like none of the caption's colours")
        for color in by_itself.colors
        if 100 * color.share > tolerance and min(delta_e00(color.lab, lab) for lab in named) > ALIKE
    ]


def _of_shares(
    picture: Picture, stated: Stated, measured: Sequence[float], tolerance: float
) -> Disagreement | None:
    """The disagreement of shares, 0 to 1, in the caption's order; None within the tolerance."""
    shares = [color.share for color in stated.mix]
    worst = _worst_pp(shares, measured)
    if worst <= tolerance:
        return None
    said = "; ".join(
        f"{word} {100 * share:.0f} % stated, {100 * seen:.0f} % measured"
        for word, share, seen in zip(stated.words, shares, measured, strict=True)
    )
    exchange = _exchange(stated.words, shares, measured, tolerance)
    if exchange:
        said += f": exchanging {exchange[0]!r} and {exchange[1]!r} in the caption explains it"
    return _disagreement(picture, stated, measured, said, worst, exchange)


def _disagreement(
    picture: Picture,
    stated: Stated,
    measured: Sequence[float],
    message: str,
    severity: float,
    exchange: tuple[str, ...] = (),
) -> Disagreement:
    shares, seen = (
        {word: round(float(share), 4) for word, share in zip(stated.words, given, strict=True)}
        for given in ([color.share for color in stated.mix], measured)
    )
    return Disagreement(picture.title, message, severity, shares, seen, exchange)


def _worst_pp(stated: Sequence[float], measured: Sequence[float]) -> float:
    return 100 * max(abs(one - other) for one, other in zip(stated, measured, strict=True))


def _exchange(
    words: Sequence[str], stated: Sequence[float], measured: Sequence[float], tolerance: float
) -> tuple[str, ...]:
    """The two words whose exchange leaves the least error, if that is small or less than half; else none."""
    tried = []
    for i, j in combinations(range(len(words)), 2):
        exchanged = list(stated)
        exchanged[i], exchanged[j] = stated[j], stated[i]
        tried.append((_worst_pp(exchanged, measured), words[i], words[j]))
    best = min(tried, default=None)
    most = max(tolerance, min(_worst_pp(stated, measured) / 2, PIECE_TOLERANCE))
    return best[1:] if best is not None and best[0] <= most else ()


def _judge_colors(
    stated: Stated, matched: Sequence[MatchedColor]
) -> tuple[tuple[Batch, ...], list[tuple[float, str]]]:
    """Colours that look like another known batch, and those that look like another colour, in words."""
    palette = palette_in_use()
    batches = known_batches(palette)
    known: list[Batch] = []
    strangers: list[tuple[float, str]] = []
    for word, color in zip(stated.words, matched, strict=True):
        difference = delta_e00(color.lab, palette[color.id].lab)
        if color.share < LEAST_SHARE or difference < OUTSIDE:
            continue
        own = {name: delta_e00(color.lab, one.lab) for name, one in palette.items()}
        nearest = min(own, key=own.__getitem__)
        near = (word_for(nearest), own[nearest])
        if any(delta_e00(color.lab, lab) < OUTSIDE for lab in batches.get(color.id, ())):
            known.append(Batch(word, difference, near))
            continue
        kind = "looks like" if near[1] < OUTSIDE else "is in no palette; nearest is"
        strangers.append(
            (
                difference,
                f"what is called {word!r} {kind} {near[0]!r} (ΔE00 {near[1]:.0f}; "
                f"{difference:.0f} from the palette's {word!r})",
            )
        )
    return tuple(known), strangers


def _notes_of_batches(batches: Sequence[Batch]) -> list[str]:
    """A sentence for each colour, that of most photographs first."""
    by_word: dict[str, list[Batch]] = {}
    for batch in batches:
        by_word.setdefault(batch.word, []).append(batch)
    notes = []
    for word, found in sorted(by_word.items(), key=lambda item: -len(item[1])):
        difference = median(batch.delta_e for batch in found)
        nearest, near = min((batch.nearest for batch in found), key=lambda named: named[1])
        count = f"{len(found)} photograph{'s' if len(found) > 1 else ''}"
        notes.append(
            f"{word!r} on {count} looks ΔE00 {difference:.0f} from the palette's {word!r}, as another batch "
            f"of it does (nearest in the palette: {nearest!r}, ΔE00 {near:.0f}); the model will draw it so"
        )
    return notes
