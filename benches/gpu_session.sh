#!/usr/bin/env bash
# Measures burn-pg and its peer on this machine's GPU, one after the other, in at most 8 minutes. Needs no compiler.
#
#   gpu_session.sh BINARY > lines.jsonl
#
# BINARY is a build of burn-pg for this machine, or that build packed with gzip. Prints one JSON object for each run on
# stdout, and its progress on stderr; gpu_session.py says what is run.
#
# PYTHON   a Python; with jax and numpy, the peer is measured too          (python3)
# BUDGET   seconds for everything together                                 (480)
# SHRINK   divides the numbers of environments, to try the script without a GPU; above 1, software drivers are measured
#          too, and each measurement is short                              (1)
set -eu
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -eq 1 ] || { echo "usage: gpu_session.sh BINARY > lines.jsonl" >&2; exit 2; }

# A copy, which can be made executable wherever BINARY is.
case $1 in
    *.gz) gunzip -c "$1" > "$work/burn-pg" ;;
    *) cp "$1" "$work/burn-pg" ;;
esac
chmod +x "$work/burn-pg"

# The headers and libraries with which CUDA kernels are compiled at run time: of the toolkit, or of Python's packages.
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia
if [ -z "${CUDA_PATH:-}" ] && [ ! -e /usr/local/cuda ]; then
    nvcc=$(readlink -f "$(command -v nvcc)" || true)
    for path in "${nvcc%/bin/nvcc}" "$packages"/cu13 "$packages"/cuda_runtime; do
        if [ -e "$path/include/cuda_runtime.h" ]; then
            export CUDA_PATH=$path
            break
        fi
    done
fi
for path in "$packages"/*/lib; do
    if [ -d "$path" ]; then export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$path; fi
done

"$python" "$here/gpu_session.py" "$work" --budget "${BUDGET:-480}" --shrink "${SHRINK:-1}"
