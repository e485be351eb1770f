"""Machines and their prices: what a device-hour costs and how fast it trains, from a file that users copy and edit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from augment.files.given import MIB, read_given_text
from augment.lookup.parameters import cut, nearest
from orchestration.errors import InputError, Mistake
from orchestration.sweeps.yaml_reader import read_yaml

PRICE_FILE: Final = Path(__file__).parent / "prices.yaml"
DEFAULT_MACHINE: Final = "cpu-core"
DeviceType = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine of a price file.

    Attributes:
        tflops: Sustained rate of a device in TFLOP/s, for fp32.
        tflops_tf32: The rate for tf32; None where the device has no TF32.
        tflops_bf16: The rate for bf16; None where the device has no tensor cores for it.
    """

    name: str
    devices: int
    price_per_hour: float
    tflops: float
    currency: str
    device_type: DeviceType = "cuda"
    tflops_tf32: float | None = None
    tflops_bf16: float | None = None

    def seconds(self, flops: float | None, precision: str = "fp32") -> float | None:
        """Return how long a device computes so many operations; None where they are unknown.

        Args:
            precision: "fp32", "tf32" or "bf16". Without a rate of its own, bf16 counts as tf32, and tf32 as fp32: never faster
                than the file says.
        """
        return None if flops is None else flops / (self._rate(precision) * 1e12)

    def _rate(self, precision: str) -> float:
        rates = {"bf16": (self.tflops_bf16, self.tflops_tf32), "tf32": (self.tflops_tf32,)}.get(precision, ())
        return next((rate for rate in rates if rate is not None), self.tflops)


def read_machine(name: str = DEFAULT_MACHINE, prices: Path = PRICE_FILE) -> Machine:
    """Return a machine of a price file.

    Raises:
        InputError: If the file cannot be read, has no such machine, or describes it wrongly.
    """
    try:
        value = read_yaml(read_given_text(prices, MIB), subject=f"price file {prices.name}").value
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(prices, f"the price file must be readable: {error}") from error
    machines = value.get("machines") if isinstance(value, dict) else None
    if not isinstance(machines, dict):
        raise _refused(prices, "a price file must have `machines`, each with devices, price_per_hour and tflops")
    if name not in machines:
        raise _refused(prices, f"unknown machine '{name}'{nearest(name, list(machines))}")
    entry = machines[name]
    if not isinstance(entry, dict) or not all(
        _is_number(entry.get(key)) for key in ("devices", "price_per_hour", "tflops")
    ):
        raise _refused(
            prices, f"machine '{name}' needs the numbers devices, price_per_hour and tflops, got {cut(entry)}"
        )
    if entry["devices"] < 1 or entry["tflops"] <= 0 or entry["price_per_hour"] < 0:
        raise _refused(
            prices, f"machine '{name}' needs devices >= 1, tflops > 0, price_per_hour >= 0, got {cut(entry)}"
        )
    for key in ("tflops_tf32", "tflops_bf16"):
        rate = entry.get(key)
        if rate is not None and not (_is_number(rate) and rate > 0):
            raise _refused(prices, f"{key} of machine '{name}' must be a number above 0, but got {rate!r}")
    kind = entry.get("device_type", "cuda")
    if kind not in get_args(DeviceType):
        raise _refused(prices, f"device_type of machine '{name}' must be cpu or cuda, but got {kind!r}")
    return Machine(
        name=name,
        devices=int(entry["devices"]),
        price_per_hour=float(entry["price_per_hour"]),
        tflops=float(entry["tflops"]),
        currency=str(value.get("currency", "")),
        device_type=kind,
        tflops_tf32=_optional(entry.get("tflops_tf32")),
        tflops_bf16=_optional(entry.get("tflops_bf16")),
    )


def _optional(rate: float | None) -> float | None:
    return None if rate is None else float(rate)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(path: Path, text: str) -> InputError:
    return InputError(f"price file {path}", [Mistake(where="", text=text)])
