#!/usr/bin/env bash
# format.sh [--fix]: says which sources clang-format would change, or changes them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. cmake/lint/files.sh
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
c_files | xargs -r -P "$(nproc)" -n 8 clang-format "${mode[@]}"
