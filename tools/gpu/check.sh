#!/usr/bin/env bash
# The check on a GPU (docs/gpu.md): stages in order, each writing $OUT/STAGE.json as it goes.
#   tools/gpu/check.sh                      all stages, at most 8 minutes
#   STAGES=pretraining tools/gpu/check.sh   some of them
#   SMALL=1 tools/gpu/check.sh              toy shapes, on a CPU in about 3 minutes
# Fails only where a stage could not run at all: what one entry met is in its file.
set -uo pipefail
cd "$(dirname "$0")/../.."
export OUT="${OUT:-results/gpu}" SMALL="${SMALL:-}" PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
[ -z "$SMALL" ] || export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # toy shapes gain nothing from threads
PYTHON="${PYTHON:-python3}" STAGES="${STAGES:-environment rows backbone pretraining}" BUDGET_S="${BUDGET_S:-480}"
declare -A LIMIT_S=([environment]=140 [rows]=200 [backbone]=80 [pretraining]=480)
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
# Carried packages only where there are none: they are built for one version of Python.
"$PYTHON" -c 'import pydantic' 2>/dev/null || export PYTHONPATH="$PYTHONPATH:$PWD/.gpu/site"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -d .gpu/cache ]; then # a copy: trunks are written there
  cp -r .gpu/cache "$scratch/cache"
  export GPTCORE_CACHE="$scratch/cache"
fi
mkdir -p "$OUT"

run_stages() {
  local stage left limit failed=0
  for stage in $STAGES; do
    limit=${LIMIT_S[$stage]:-}
    if [ -z "$limit" ]; then
      echo "no stage '$stage': known are ${!LIMIT_S[*]}"
      return 2
    fi
    left=$((BUDGET_S - SECONDS))
    if [ "$left" -lt "$limit" ]; then limit=$left; fi
    if [ "$limit" -lt 10 ]; then
      echo "$stage: no time left"
      continue
    fi
    echo "== $stage, at most $limit s"
    # A stage ends by itself a little before it is ended.
    STAGE_S=$((limit - 5)) timeout --kill-after=5 --signal=INT "$limit" "$PYTHON" -m "tools.gpu.$stage" || failed=1
  done
  return "$failed"
}

run_stages 2>&1 | tee "$OUT/check.log"
exit "${PIPESTATUS[0]}"
