"""The commented sweep file that `dreamgrid new` writes: it runs as it is, and says of every part what else may stand there."""

from __future__ import annotations

import re
from typing import Final

SUFFIXES: Final = (".yaml", ".yml")

_TEMPLATE: Final = """\
# yaml-language-server: $schema={schema}
# Plan it:  dreamgrid plan {file}
# Try it:   dreamgrid run {file} --smoke   (seconds)
# Run it:   dreamgrid run {file}           (minutes on 2 cores)
name: {name}  # small letters, digits and dashes; results are recorded by content, so that a new name computes nothing again
title: My first sweep

# What all cells share; a row may set any of it differently.
base:
  dataset: digits  # `dreamgrid data list` shows the others; folder:/path/to/images for your own
  model: wrn-10-1
  recipe: digits  # how a network is trained: optimiser, schedule, epochs, batch
  train: {{epochs: 4}}  # fields of the recipe that differ from it
  mixing_set: fractals  # images that PixMix mixes in; `dreamgrid mixing-set list` shows the others
  mixing_set_params: {{num_images: 256}}

# What varies: one row of the table for each cell. `grid` and `one_at_a_time` vary hyper-parameters.
axes:
  cells:
    - {{row: Baseline, method: baseline}}
    - {{row: Cutout, method: cutout}}
    - {{row: PixMix, method: pixmix, params: {{max_rounds: 4, beta: 3}}}}
    # Numbers of another suite, after `dreamgrid import results.csv --format openood --name theirs --dataset digits`:
    # - {{row: Theirs, imported: theirs}}

seeds: [0, 1]  # every row is trained once per seed; more seeds make differences certain

# The columns of the table are BENCHMARK/METRIC; benchmarks that no column names do not run.
table:
  columns:
    - clean/error
    - clean/rms
    - c-generated/error
    - ood-generated/auroc
  baseline: Baseline  # the row that the others are tested against

# Parameters of benchmarks that differ from their defaults.
benchmarks:
  c-generated: {{severities: [3]}}

# Smaller editions that run the same code, for trying things out: --smoke and --small.
sizes:
  smoke:
    set:
      train: {{epochs: 1, train_images: 128}}
      mixing_set_params: {{num_images: 16}}
    seeds: [0]
    benchmarks:
      clean: {{max_images: 100}}
      c-generated: {{max_images: 100, kinds: [gaussian_noise]}}
      ood-generated: {{max_images: 100}}
"""


def sweep_template(stem: str, schema: str) -> str:
    """Return a sweep file that runs as it is.

    Args:
        stem: Name of the file without its ending; the sweep's name is made from it.
        schema: Address of the JSON Schema of sweep files, as editors find it from the file.
    """
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:64].strip("-") or "my-sweep"
    return _TEMPLATE.format(schema=schema, name=name, file=f"{stem}.yaml")
