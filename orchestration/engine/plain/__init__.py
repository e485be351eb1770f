"""The plain engine: one Ray Train run in one trial of Ray Tune for every attempt at a cell, as Ray's own guide shows it."""
