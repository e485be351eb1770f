#!/usr/bin/env bash
# A Ray cluster inside one Slurm allocation, and a sweep on it:  sbatch clusters/manifests/slurm.sh table-3
# All nodes of an allocation are alike, so the first one runs the head and trains too: no rented GPU is idle.
# A sweep that is cut off by the time limit continues when it is submitted again.
#SBATCH --job-name=dreamgrid
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@180
set -euo pipefail

sweep="${1:?usage: sbatch slurm.sh SWEEP}"
: "${DREAMGRID_STORAGE:?set DREAMGRID_STORAGE to a folder that every node sees, or to an s3:// prefix}"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# Steps do not take over the CPUs of a task by themselves.
export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"

head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
head_address=$(srun --nodes=1 --ntasks=1 -w "$head_node" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))
export RAY_AUTH_TOKEN="${RAY_AUTH_TOKEN:-$(python -c 'import secrets; print(secrets.token_hex(32))')}"

# What a node offers. Slurm names the number of GPUs in one of two variables, depending on its version and its options.
visible=$(tr -cd , <<<"${CUDA_VISIBLE_DEVICES:-}" | wc -c)
gpus="${SLURM_GPUS_ON_NODE:-$((${CUDA_VISIBLE_DEVICES:+1} + visible))}"
# Two CPUs of every node are left for Ray, and on the first for the head and the driver.
cpus=$((SLURM_CPUS_PER_TASK > 3 ? SLURM_CPUS_PER_TASK - 2 : SLURM_CPUS_PER_TASK))
echo "each of $SLURM_JOB_NUM_NODES nodes offers $cpus CPUs and $gpus GPUs" >&2
# The name by which `--grow-to` knows the nodes that have joined already.
export RAY_NODE_TYPE_NAME=slurm

stop_all() { kill "${head_pid:-}" "${workers_pid:-}" "${sweep_pid:-}" 2>/dev/null || true; }
trap stop_all EXIT
# Slurm's notice before the time limit: let the sweep write its checkpoints.
trap 'kill -TERM "${sweep_pid:-}" 2>/dev/null; wait "${sweep_pid:-}"' TERM

srun --nodes=1 --ntasks=1 -w "$head_node" \
    ray start --head --node-ip-address="$head_address" --port="$port" --num-cpus="$cpus" --num-gpus="$gpus" \
    --dashboard-host=127.0.0.1 --disable-usage-stats --block &
head_pid=$!
sleep "${HEAD_START_S:-20}"
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head_node" \
        ray start --address="$head_address:$port" --num-cpus="$cpus" --num-gpus="$gpus" --disable-usage-stats --block &
    workers_pid=$!
fi

# Nodes may still be joining: the sweep counts on all of them from the start, and derives from this what a worker gets.
python -m dreamgrid run "$sweep" --address "$head_address:$port" --grow-to "slurm=$SLURM_JOB_NUM_NODES:cpu=$cpus,gpu=$gpus" &
sweep_pid=$!
wait "$sweep_pid"
