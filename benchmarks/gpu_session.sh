#!/usr/bin/env bash
# Everything that proves this project on one GPU, within 10 minutes, from a machine with Python 3.11 and an NVIDIA driver:
# the tests that are marked `gpu`, and the benchmarks of training and evaluation. All output is kept as text.
#
#   bash benchmarks/gpu_session.sh OUT                            installs requirements.lock from the package index
#   bash benchmarks/gpu_session.sh OUT --wheels DIR               the same from a folder of wheels, without a network
#   bash benchmarks/gpu_session.sh OUT --python PYTHON            installs nothing: uses that interpreter and its packages
#   bash benchmarks/gpu_session.sh OUT --site-packages DIR        the same, and looks for packages in DIR first
#   bash benchmarks/gpu_session.sh OUT --device cpu --quick       tries the script itself, at tiny sizes: no GPU is used
#
# Without a network, what is used must contain torch with CUDA and, of requirements.lock, at least numpy, numba, scipy, pillow,
# torchvision, scikit-learn, pydantic, pyyaml, msgspec, filelock, psutil, pytest and pytest-timeout; ray and mlflow are not needed.
#
#   --limit SECONDS   of the whole session (570)        --commit NAME   what is measured, where there is no git
#
# OUT gets machine.txt, install.txt, kernels.txt, tests.txt, train.txt, eval.txt and summary.txt. A stage that fails or is cut off
# does not keep the next from running; the exit code is then 1.
set -uo pipefail

usage() { sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2; }
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || usage
out="$1"; shift
python="" wheels="" packages="" device=cuda quick="" limit=570 commit=""
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=--quick; shift; continue ;;
        --python | --wheels | --site-packages | --device | --limit | --commit) [ $# -ge 2 ] || usage ;;
        *) usage ;;
    esac
    case "$1" in
        --python) python="$2" ;;
        --wheels) wheels="$(cd "$2" && pwd)" ;;
        --site-packages) packages="$(cd "$2" && pwd)"; python="${python:-python3}" ;;
        --device) device="$2" ;;
        --limit) limit="$2" ;;
        --commit) commit="$2" ;;
    esac
    shift 2
done
case "$device" in cpu | cuda) ;; *) usage ;; esac

mkdir -p "$out" && out="$(cd "$out" && pwd)"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
ends=$((SECONDS + limit)) failed=0
export PYTHONPATH="$PWD${packages:+:$packages}" RAY_USAGE_STATS_ENABLED=0 MLFLOW_DISABLE_TELEMETRY=true PYTHONUNBUFFERED=1
export TMPDIR="${TMPDIR:-/tmp}"
export DREAMGRID_KERNEL_CACHE="${DREAMGRID_KERNEL_CACHE:-$out/kernels}"
: >"$out/summary.txt"

say() { echo "$*" | tee -a "$out/summary.txt"; }

# stage NAME SECONDS COMMAND...: runs it into NAME.txt, within what is left of the session.
stage() {
    local name="$1" seconds="$2" left=$((ends - SECONDS)) started=$SECONDS code
    shift 2
    [ "$left" -lt "$seconds" ] && seconds="$left"
    if [ "$seconds" -le 5 ]; then
        say "$name: not run, the session's $limit s are over"
        failed=1
        return 1
    fi
    { echo "\$ $*"; timeout --kill-after=10 "$seconds" "$@"; } >"$out/$name.txt" 2>&1
    code=$?
    case "$code" in
        0) say "$name: done in $((SECONDS - started)) s" ;;
        124 | 137) say "$name: FAILED, cut off after $((SECONDS - started)) s"; failed=1 ;;
        *) say "$name: FAILED with exit code $code after $((SECONDS - started)) s"; failed=1 ;;
    esac
    return "$code"
}

machine() {
    echo "date: $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    echo "commit: ${commit:-$(git describe --always --dirty 2>/dev/null || echo unknown)}"
    echo "system: $(uname -srm), $(nproc) CPUs"
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,mig.mode.current --format=csv
    else
        echo "gpu: no nvidia-smi on this machine"
    fi
}
machine >"$out/machine.txt" 2>&1
tee -a "$out/summary.txt" <"$out/machine.txt"

if [ -z "$python" ]; then
    base="$(command -v python3.11 || command -v python3)"
    python="$out/venv/bin/python"
    source_of=(--requirement requirements.lock)
    [ -n "$wheels" ] && source_of+=(--no-index --find-links "$wheels")
    stage install 270 sh -c '"$1" -m venv "$2" && shift && shift && exec "$@"' install "$base" "$out/venv" \
        "$python" -m pip install --quiet --disable-pip-version-check "${source_of[@]}"
fi
"$python" -c 'import torch; print("torch:", torch.__version__, "CUDA", torch.version.cuda, "sees", torch.cuda.device_count(), "GPUs")' \
    2>&1 | tail -n 1 | tee -a "$out/machine.txt" "$out/summary.txt"

stage kernels 90 "$python" -m trainers.worker.warm_kernels
if [ "$device" = cuda ]; then
    # No cache: the tree may be read-only. -rs names what was skipped and why.
    stage tests 220 "$python" -m pytest -m gpu tests/gpu -rs -p no:cacheprovider --durations=10
    stage train 170 "$python" -m benchmarks.train --device cuda $quick
    stage eval 130 "$python" -m benchmarks.eval --device cuda $quick
else
    stage tests 220 "$python" -m pytest -m "not gpu and not slow" tests/gpu -rs -p no:cacheprovider --durations=10
    stage train 170 "$python" -m benchmarks.gpu_train --device cpu $quick
    stage eval 130 "$python" -m benchmarks.gpu_eval --device cpu $quick
fi

for name in tests train eval; do
    [ -s "$out/$name.txt" ] || continue
    say "== $name"
    # The verdicts: what pytest counts, and each case with its ratio, target, and what NVML says.
    grep -E '^(FAILED|ERROR|SKIPPED|=+ .*(passed|failed|skipped|error)|.*(>=|<=) .*(met|MISSED)|note: |case )' "$out/$name.txt" |
        tee -a "$out/summary.txt"
done
say "session: $([ "$failed" = 0 ] && echo complete || echo "NOT complete"), $SECONDS s"
exit "$failed"
