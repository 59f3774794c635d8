# What lint looks at: files of the repository, also those not added yet. Sourced.
# shellcheck shell=bash
lint_files() { # lint_files PATHSPEC...
  if git rev-parse --git-dir >/dev/null 2>&1; then
    # A file removed but not committed is still listed; only what is there can be checked.
    git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r f; do
      [ -f "$f" ] && printf '%s\n' "$f"
    done
  else # a source archive
    local args=() p
    for p in "$@"; do args+=(-o -path "./${p#./}"); done
    find . \( -name '.deps' -o -name 'build*' -o -name node_modules \) -prune -o -type f \
      \( "${args[@]:1}" \) -print | sed 's,^\./,,' | sort
  fi
}
c_files() { lint_files '*.c' '*.h'; }
