#!/usr/bin/env bash
# Regenerates libs/gen from protos/. The output is committed; `make test` fails when it differs.
# Usage: deploy/proto.sh [output folder]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-libs/gen}
bin=$PWD/.venv/bin
rm -rf "$out/eridu" "$out/buf"
mkdir -p "$out"
protoc() { PATH="$bin:$PATH" "$bin/python" -m grpc_tools.protoc -Iprotos -Iprotos/third_party "$@"; }
mapfile -t messages < <(cd protos && find eridu -name '*.proto' | sort)
mapfile -t services < <(cd protos && find eridu -name '*_service.proto' | sort)
protoc --python_out="$out" --mypy_out="quiet:$out" "${messages[@]}" buf/validate/validate.proto
protoc --grpc_python_out="$out" --mypy_grpc_out="quiet:$out" "${services[@]}"
find "$out/eridu" "$out/buf" -type d -exec touch {}/__init__.py \;
