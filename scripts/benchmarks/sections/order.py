"""The sections of a run, in the order in which they are measured. A table; what each does is in its own module."""

from __future__ import annotations

from benchmarks.sections.callers import CONCURRENCY
from benchmarks.sections.calls import MEMORY, WARM
from benchmarks.sections.growth import GROWTH
from benchmarks.sections.sizes import SIZE
from benchmarks.sections.starts import COLD
from benchmarks.sections.tokens import TOKEN

SECTIONS = (COLD, WARM, TOKEN, CONCURRENCY, MEMORY, SIZE, GROWTH)
