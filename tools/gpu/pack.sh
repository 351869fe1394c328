#!/usr/bin/env bash
# Make .gpu/: what a machine without a network needs beside the checkout (docs/gpu.md).
#   tools/gpu/pack.sh CORPUS    CORPUS: a folder of .txt or .txt.xz files, as tools.pretrain takes it
# The packages are for CPython 3.12 on x86-64 Linux; TARGET_PYTHON=3.13 names another.
set -euo pipefail
corpus=${1:?usage: tools/gpu/pack.sh CORPUS}
corpus=$(realpath "$corpus")
cd "$(dirname "$0")/../.."
PYTHON="${PYTHON:-python3}" TARGET_PYTHON="${TARGET_PYTHON:-3.12}"
LIMIT_MIB="${LIMIT_MIB:-64}" # of the checkout's tracked files and .gpu/ together
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
rm -rf .gpu/site
# With pydantic what it needs; everything else comes with torch's usual images.
packages=()
for name in pydantic pydantic-core annotated-types typing-inspection; do
  packages+=("$name==$("$PYTHON" -c "from importlib.metadata import version; print(version('$name'))")")
done
"$PYTHON" -m pip install --quiet --no-deps --no-compile --only-binary=:all: --implementation cp \
  --python-version "$TARGET_PYTHON" --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
  --platform manylinux2014_x86_64 --target .gpu/site "${packages[@]}"
"$PYTHON" -m tools.gpu.pack "$corpus" .gpu
tracked=$(git ls-files -z | du -cb --files0-from=- | tail -n1 | cut -f1)
carried=$(du -sb .gpu | cut -f1)
mib=$(((tracked + carried + 2 ** 20 - 1) / 2 ** 20))
echo "checkout and .gpu/: $mib MiB of $LIMIT_MIB"
[ "$mib" -le "$LIMIT_MIB" ]
