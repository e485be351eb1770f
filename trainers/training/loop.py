"""The training loop in plain torch: it runs in a unit test without Ray, alone or on several workers.

One step: every worker computes its logical shards of the global batch in turn (`trainers.training.shards`), the gradients are
summed over the workers (`trainers.training.data_parallel`), the optimiser steps. Torch's generators are seeded for each shard
from (seed, step, shard), so that nothing random is state and a resumed training goes on exactly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from augment.kernels.counters import StepKeys
from augment.treatment import Treatment
from eval.inference.transfer import float_images
from trainers.config import RecipeConfig
from trainers.errors import JobPreempted, JobStopped, NonFiniteLoss
from trainers.job import EpochRow
from trainers.models.normalize import restore
from trainers.seeding import seed_torch, torch_seed
from trainers.training.data_parallel import BatchGradient, DeviceShard
from trainers.training.gpu_use import NO_USE, GpuUse
from trainers.training.group import ProcessGroup
from trainers.training.input.loader import Batch, Loader, Shard
from trainers.training.machine_use import MachineWatch
from trainers.training.optim import Average, build_optimiser, learning_rate, restore_optimiser, set_learning_rate
from trainers.training.progress import Progress, SignalReader
from trainers.training.shards import SharedValues, statistics_of
from trainers.training.treatment_state import state_for


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopHooks:
    """What the loop reports and asks; rank 0 reports, every rank saves.

    Attributes:
        epoch_ended: Called on rank 0 with the row of a finished epoch.
        progress: Called on rank 0 with (steps done, steps in all).
        save: Called on every rank with the whole state (None on ranks other than 0) and the step.
        checkpoint_every_s: Seconds between checkpoints inside an epoch.
        stop_requested: Whether this rank was asked to write a checkpoint and stop.
        is_leaving: Whether this rank's machine is about to be taken away.
        validate: Gives loss and accuracy of the model on held-out images after each epoch; called on every rank. None for
            none.
        gpu_use: Gives what the GPUs did since its last call; called on every rank after each epoch.
    """

    epoch_ended: Callable[[EpochRow], None]
    progress: Callable[[int, int], None]
    save: Callable[[Mapping[str, Any] | None, int], None]
    checkpoint_every_s: float
    stop_requested: Callable[[], bool]
    is_leaving: Callable[[], bool] = lambda: False
    validate: Callable[[nn.Module], tuple[float, float]] | None = None
    gpu_use: Callable[[], GpuUse] = lambda: NO_USE


class _Agreed(NamedTuple):
    """What the workers agreed to do after a step."""

    checkpoint: bool
    stop: bool
    leave: bool


class Training:
    """One training: model, optimiser, treatment and how far it is."""

    def __init__(
        self,
        *,
        recipe: RecipeConfig,
        seed: int,
        model: nn.Module,
        treatment: Treatment,
        steps_per_epoch: int,
        group: ProcessGroup,
        device: torch.device,
    ) -> None:
        """Start from the weights that the model has."""
        # First: the optimiser and the gradient lay their memory out where the parameters are.
        self.model = model.to(device)
        self.treatment = treatment
        self.optimiser = build_optimiser(recipe, model)
        self.average = Average(model, recipe.ema_decay) if recipe.ema_decay is not None else None
        self.progress = Progress()
        self._recipe = recipe
        self._seed = seed
        self._steps_per_epoch = steps_per_epoch
        self._group = group
        self._device = device
        self._gradient = BatchGradient(model, treatment, group, compression=recipe.gradient_compression)
        self._shared = SharedValues(model, group)
        self._signals = SignalReader(device)
        self._saved_at = time.monotonic()
        self._clock = time.monotonic()

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self._recipe.epochs * self._steps_per_epoch

    def run(self, loader: Loader, hooks: LoopHooks) -> None:
        """Train to the last epoch from wherever it is.

        Raises:
            NonFiniteLoss: If a loss or a weight is NaN or infinite; on every rank at the same step.
            JobStopped: After a checkpoint, if some rank was asked to stop; on every rank at the same step.
            JobPreempted: The same, if some rank is about to lose its machine.
        """
        self.progress.goes_on_with(self._group.world_size)
        machine = MachineWatch()
        self._saved_at = self._clock = time.monotonic()
        while (epoch := self.progress.step // self._steps_per_epoch) < self._recipe.epochs:
            first = self.progress.step % self._steps_per_epoch
            # A resume inside of an epoch finds what its start has set in the treatment's state.
            if first == 0:
                self.treatment.start_epoch(self.model, epoch)
            with closing(loader.epoch(epoch, first)) as batches:
                self._run_epoch(batches, hooks, machine)
        self._check_weights()

    def state_dict(self) -> dict[str, Any] | None:
        """Return everything that an exact resume needs on rank 0, None elsewhere; every rank must call it."""
        # Collective, so before the other ranks return.
        treatments = self._gathered_treatments()
        if self._group.rank != 0:
            return None
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": None if self.average is None else list(self.average.values),
            "treatments": treatments,
            "progress": self.progress.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned on rank 0."""
        restore(self.model, state["model"])
        restore_optimiser(self.optimiser, state["optimiser"])
        if self.average is not None:
            self.average.values = [value.to(self._device) for value in state["average"]]
        if state["treatments"]:
            own = state_for(state["treatments"], self._group.rank, self._group.world_size)
            self.treatment.load_state_dict(own)
        self.progress = Progress.from_state(state["progress"])

    def _gathered_treatments(self) -> list[Mapping[str, Any]]:
        """Return each rank's state of the treatment: it may depend on the shards that a rank has seen."""
        own = self.treatment.state_dict()
        return self._group.gather(own) if own else []

    def _run_epoch(self, batches: Iterable[Batch], hooks: LoopHooks, machine: MachineWatch) -> None:
        for batch in batches:
            self._step(batch, hooks)
            ends_epoch = self.progress.step % self._steps_per_epoch == 0
            # The row of an epoch needs the signals of all its steps.
            agreed = self._absorb(everything=ends_epoch)
            if ends_epoch:
                self.progress.machine.append(machine.take(len(self.progress.rows)))
                self._end_epoch(hooks)
            if self._group.rank == 0:
                hooks.progress(self.progress.step, self.total_steps)
            is_done = self.progress.step == self.total_steps
            # After the last step the final checkpoint follows at once.
            if agreed.checkpoint or agreed.stop or agreed.leave or (ends_epoch and not is_done):
                self._save(hooks)
            if (agreed.stop or agreed.leave) and not is_done:
                place = f"step {self.progress.step} of {self.total_steps} is saved"
                if agreed.leave:
                    raise JobPreempted(f"its machine leaves; {place}")
                raise JobStopped(f"asked to stop; {place}")

    def _end_epoch(self, hooks: LoopHooks) -> None:
        self._tick()
        # Before the validation, which has other passes.
        gpu = hooks.gpu_use()
        held_out = None if hooks.validate is None else hooks.validate(self.model)
        self._tick(of_steps=False)
        # Of the last step: the counter is one ahead.
        rate = self._rate(self.progress.step - 1)
        row = self.progress.end_epoch(lr=rate, device=self._device, held_out=held_out, gpu=gpu)
        if self._group.rank == 0:
            hooks.epoch_ended(row)

    def _step(self, batch: Batch, hooks: LoopHooks) -> None:
        """Do one optimiser step."""
        step = self.progress.step
        rate = self._rate(step)
        self.model.train()
        self._gradient.clear()
        self._shared.clear()
        # Rank 0 alone looks at its clock; by the sum all ranks save together.
        if self._group.rank == 0 and time.monotonic() - self._saved_at > hooks.checkpoint_every_s:
            self._shared.signals[2] = 1.0
        if hooks.stop_requested():
            self._shared.signals[3] = 1.0
        if hooks.is_leaving():
            self._shared.signals[4] = 1.0
        self._differentiate(batch, step)
        # The summed gradient: clipping what each worker has would depend on their number.
        if self._recipe.grad_clip is not None:
            self._gradient.clip(self._recipe.grad_clip)
        set_learning_rate(self.optimiser, rate)
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.model)
        self._signals.push(step, rate, batch.num_samples, self._shared.signals)
        self.progress.step += 1
        self.progress.sums.wait_s += batch.wait_s

    def _differentiate(self, batch: Batch, step: int) -> None:
        """Compute the gradient of a global batch; signals and running statistics travel during the last backward pass."""
        *earlier, last = batch.shards or (None,)
        for shard in earlier:
            with self._gradient.kept():
                self._loss(shard, batch.num_samples, step).backward()  # type: ignore[no-untyped-call]
        loss = self._loss(last, batch.num_samples, step)
        # Before the backward pass, so that it overlaps; the same place among the sums of gradients on every rank.
        receive = self._shared.send()
        loss.backward()  # type: ignore[no-untyped-call]
        receive()
        self._gradient.finish()

    def _loss(self, shard: Shard | None, num_samples: int, step: int) -> Tensor:
        """Return the loss of one shard, weighted by its fraction of the global batch; of none where the worker has none."""
        if shard is None:
            return self._gradient.loss_of_nothing()
        keys = StepKeys(self._seed, step, shard.number)
        images, labels = float_images(shard.images), shard.labels
        extra = None if shard.extra is None else float_images(shard.extra)
        weight = len(shard.labels) / num_samples
        with statistics_of(self.model, shard.number):
            seed_torch(torch_seed(self._seed, "batch stage", step, shard.number), self._device)
            images, targets = self.treatment.batch(self.model, images, labels, keys)
            # Again: a treatment that draws more after a resume (to build what it then restores) must not move the drop-out.
            seed_torch(torch_seed(self._seed, "step", step, shard.number), self._device)
            loss, logits = self._gradient.loss(DeviceShard(images, targets, extra, keys, weight))
        # Added up on the device: reading the loss here would make a GPU wait for the host.
        with torch.no_grad():
            self._shared.signals[0] += loss.detach()
            self._shared.signals[1] += (logits.argmax(1) == labels).sum()
        return loss

    def _absorb(self, *, everything: bool) -> _Agreed:
        checkpoint = stop = leave = False
        for num_samples, signals in self._signals.read(everything=everything):
            sums = self.progress.sums
            sums.loss += signals.loss * num_samples
            sums.correct += signals.num_correct
            sums.samples += num_samples
            checkpoint |= signals.wants_checkpoint > 0
            stop |= signals.wants_stop > 0
            leave |= signals.is_leaving > 0
        return _Agreed(checkpoint, stop, leave)

    def _save(self, hooks: LoopHooks) -> None:
        # Raises where a loss that was not read yet is not finite: nothing after it may be saved.
        # Requests to stop are made at every step, so that none is lost here.
        self._absorb(everything=True)
        self._tick()
        self._check_weights()
        hooks.save(self.state_dict(), self.progress.step)
        self._tick(of_steps=False)
        self._saved_at = time.monotonic()

    def _tick(self, *, of_steps: bool = True) -> None:
        """Count the time since the last call: to the training, and to its epoch where it went into steps."""
        now = time.monotonic()
        elapsed, self._clock = now - self._clock, now
        if of_steps:
            self.progress.sums.seconds += elapsed
        self.progress.wall_s += elapsed
        self.progress.device_s += elapsed * self._group.world_size

    def _check_weights(self) -> None:
        """Refuse to save or finish with non-finite weights: the last step's gradient showed in no loss."""
        finite = torch.stack([torch.isfinite(parameter).all() for parameter in self.model.parameters()]).all()
        if not bool(finite):
            step = self.progress.step - 1
            raise NonFiniteLoss(step, self._rate(step), [float("nan")])

    def _rate(self, step: int) -> float:
        return learning_rate(self._recipe, step, self._steps_per_epoch)
