#!/usr/bin/env bash
# A Ray cluster inside one Slurm allocation, and a sweep on it:  sbatch clusters/manifests/slurm.sh table-3
# The first node is the head and runs no training; a sweep that is cut off by the time limit goes on when submitted again.
#SBATCH --job-name=dreamgrid
#SBATCH --nodes=5
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@180
set -euo pipefail

sweep="${1:?usage: sbatch slurm.sh SWEEP}"
: "${DREAMGRID_STORAGE:?set DREAMGRID_STORAGE to a folder that every node sees, or to an s3:// prefix}"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
head_address=$(srun --nodes=1 --ntasks=1 -w "$head_node" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))
export RAY_AUTH_TOKEN="${RAY_AUTH_TOKEN:-$(python -c 'import secrets; print(secrets.token_hex(32))')}"

stop_all() { kill "${head_pid:-}" "${workers_pid:-}" "${sweep_pid:-}" 2>/dev/null || true; }
trap stop_all EXIT
# Slurm's notice before the time limit: let the sweep write its checkpoints.
trap 'kill -TERM "${sweep_pid:-}" 2>/dev/null; wait "${sweep_pid:-}"' TERM

srun --nodes=1 --ntasks=1 -w "$head_node" \
    ray start --head --node-ip-address="$head_address" --port="$port" --num-cpus=0 --num-gpus=0 \
    --dashboard-host=127.0.0.1 --disable-usage-stats --block &
head_pid=$!
sleep 20
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head_node" \
        ray start --address="$head_address:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
    workers_pid=$!
fi

dreamgrid run "$sweep" --address "$head_address:$port" &
sweep_pid=$!
wait "$sweep_pid"
