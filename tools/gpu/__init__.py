"""The check on a GPU: stages in order, each writing its results as it goes. Run `tools/gpu/check.sh`."""
