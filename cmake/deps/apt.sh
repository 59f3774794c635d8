# Debian: host packages, and single packages of a newer suite through a private apt state.
# shellcheck shell=bash

# sudo_ready: asks for the password where that can be done, before output goes to a log.
sudo_ready() {
  if [ "$(id -u)" -ne 0 ] && [ -t 2 ] && [ -z "${CI:-}" ] && command -v sudo >/dev/null; then
    sudo -v </dev/tty || true
  fi
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null; then
    echo "not root, and no sudo here"
    return 1
  else
    sudo -n "$@"
  fi
}

pkg_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

pkg_offered() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# clang's sanitizer and fuzzer run-time is versioned with clang and has no common name on Debian 12.
clang_rt_name() {
  local v
  v=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
  [ -n "$v" ] || v=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
  [ -n "$v" ] && echo "libclang-rt-$v-dev"
}

# missing_pkgs ENTRY...: those of the list that have to be installed, one a line.
missing_pkgs() {
  local entry names cmd name
  for entry in "$@"; do
    names=${entry%%\?*}
    cmd=${entry#"$names"}
    cmd=${cmd#\?}
    [ -n "$cmd" ] && command -v "$cmd" >/dev/null && continue
    [ "$names" = @clang-rt ] && names=$(clang_rt_name)
    for name in ${names//|/ }; do
      pkg_installed "$name" && continue 2
    done
    for name in ${names//|/ }; do
      pkg_offered "$name" && break
    done
    echo "$name"
  done
}

apt_install() {
  local opts=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -y --no-install-recommends)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "${opts[@]}" install "$@"
}

apt_refresh() {
  as_root apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update
}

install_missing() { # install_missing ENTRY...
  local missing
  mapfile -t missing < <(missing_pkgs "$@")
  [ ${#missing[@]} -eq 0 ] && return 0
  # Lists may be absent (container images) or old: refresh only when the plain attempt fails.
  if ! apt_install "${missing[@]}"; then
    apt_refresh
    mapfile -t missing < <(missing_pkgs "$@")
    apt_install "${missing[@]}"
  fi
  # clang brings its version, and only then is the name of its run-time known.
  mapfile -t missing < <(missing_pkgs "$@")
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
  note "$(echo "$@" | wc -w) packages present"
}

# --- the private apt state ---------------------------------------------------------------------

# signed_by FILE:N: the key that the host's own configuration names for that source, as a path.
# An inline key (deb822) is written to a file of ours; no key named: apt's own default keys serve.
signed_by() {
  local file=${1%:*} line=${1##*:} key
  case "$file" in
    *.sources)
      # Stanza LINE of the file, or else the first that names a key.
      key=$(awk -v n="$line" 'BEGIN { RS = ""; FS = "\n" } {
          k = ""; on = 0
          for (i = 1; i <= NF; i++) {
            if ($i ~ /^#/) continue
            if ($i ~ /^[Ss]igned-[Bb]y:/) { on = 1; k = $i; sub(/^[^:]*:[ \t]*/, "", k) }
            else if (on && $i ~ /^[ \t]/) { t = $i; sub(/^[ \t]/, "", t); k = k "\n" t }
            else on = 0
          }
          if (k != "" && first == "") first = k
          if (NR == n && k != "") mine = k
        }
        END { print (mine != "") ? mine : first }' "$file") ;;
    *)
      key=$(sed -n "${line}s/.*\[[^]]*signed-by=\([^] ]*\).*/\1/p" "$file") ;;
  esac
  case "$key" in
    "") return 0 ;;
    /*) printf '%s\n' "$key" | head -n 1 | sed 's/[[:space:]]*$//; s/[[:space:]].*//' ;;
    *)
      printf '%s\n' "$key" | sed '/./,$!d; s/^\.$//' >"$APT/host-key.asc"
      echo "$APT/host-key.asc" ;;
  esac
}

# debian_source: "URI KEYFILE" of the Debian archive this host itself uses.
debian_source() {
  local codename uri entry
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # Security and updates are other archives or suites; the plain release suite is the one wanted.
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(SOURCESENTRY)' 'Created-By: Packages' |
    awk -v c="$codename" '($2 == c || $2 == "stable" || $2 == "oldstable") && $1 !~ /security/ {
      print $1, $3; exit }' | {
    read -r uri entry || return 1
    echo "$uri $(signed_by "$entry")"
  }
}

private_apt() { # private_apt COMMAND(apt-get|apt-cache) ARGS...
  local cmd=$1
  shift
  "$cmd" -o Dir::Etc::SourceList="$APT/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$APT/lists" -o Dir::Cache="$APT/cache" -o Dir::Etc::Preferences=/dev/null \
    -o Dir::Etc::PreferencesParts=/dev/null -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
    -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin \
    -o Acquire::Languages=none -o APT::Architectures="$(dpkg --print-architecture)" "$@"
}

private_apt_update() { # private_apt_update [SUITE]...: whose binary packages are wanted too
  local uri key suite opt=""
  mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
  read -r uri key < <(debian_source) || { echo "no Debian source in the apt configuration"; return 1; }
  [ -n "$key" ] && opt="[signed-by=$key] "
  : >"$APT/sources.list"
  for suite in $(printf '%s\n' "$SUITE_NEW" "$@" | sort -u); do
    printf 'deb %s%s %s main\n' "$opt" "$uri" "$suite" >>"$APT/sources.list"
  done
  for suite in $(printf '%s\n' "$SUITE_NEW" $SUITE_YYJSON | sort -u); do
    printf 'deb-src %s%s %s main\n' "$opt" "$uri" "$suite" >>"$APT/sources.list"
  done
  # Without this a missing network is only a warning, and the next step fails in its stead.
  private_apt apt-get -o APT::Update::Error-Mode=any update
}

# fetch_debs DIR SUITE PACKAGE...: download and unpack into DIR.
fetch_debs() {
  local dir=$1 suite=$2 p
  shift 2
  mkdir -p "$DL"
  (cd "$DL" && private_apt apt-get download "${@/%//$suite}")
  rm -rf "$dir"
  mkdir -p "$dir"
  for p in "$@"; do
    dpkg -x "$(ls -t "$DL/${p}"_*.deb | head -n 1)" "$dir"
  done
}

# fetch_source NAME SUITE...: unpack upstream's source into $SRC/NAME with Debian's patches where
# the archive has them. Checksums come from the signed index, whichever way it is fetched.
fetch_source() {
  local name=$1 suite dir tar deb p
  shift
  dir=$DL/src-$name
  for suite in "$@"; do
    rm -rf "$dir"
    mkdir -p "$dir"
    # An archive in the middle of an update may list a revision and not hold its files yet; the
    # upstream tarball alone is then still there, and still checked.
    (cd "$dir" && private_apt apt-get source --download-only "$name/$suite") ||
      (cd "$dir" && private_apt apt-get source --download-only --tar-only "$name/$suite") || true
    tar=$(ls "$dir"/*.orig.tar.* 2>/dev/null | grep -v "\.asc\$" | head -n 1 || true)
    [ -n "$tar" ] && break
  done
  [ -n "$tar" ] || { echo "no source of $name in: $*"; return 1; }
  rm -rf "${SRC:?}/$name"
  mkdir -p "$SRC/$name"
  tar -xf "$tar" -C "$SRC/$name" --strip-components=1
  deb=$(ls "$dir"/*.debian.tar.* 2>/dev/null | head -n 1 || true)
  if [ -n "$deb" ] && [ -n "$(ls "$dir"/*.dsc 2>/dev/null)" ]; then
    tar -xf "$deb" -C "$dir"
    while read -r p _; do
      case "$p" in '' | '#'*) continue ;; esac
      patch -d "$SRC/$name" -p1 --batch --forward <"$dir/debian/patches/$p"
    done < <(cat "$dir/debian/patches/series" 2>/dev/null)
  else
    echo "$name: built without Debian's patches (not in the archive now)"
  fi
  rm -rf "$dir"
}
