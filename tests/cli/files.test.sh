#!/usr/bin/env bash
# herzd --files: directories as they are, over every scheme, beside the demo's routes and alone; what the
# keys files.* change, and what cannot be served.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

site=$work/site
mkdir -p "$site/sub" "$site/.git" "$work/other"
printf '<p>home' >"$site/index.html"
printf '<p>sub' >"$site/sub/index.html"
printf 'main {}' >"$site/style.css"
printf 'hidden' >"$site/.git/config"
printf 'secret' >"$work/secret"
ln -s ../secret "$site/out"
head -c 300000 /dev/urandom >"$site/large.bin"
printf 'js' >"$site/app.js"
printf 'js, compressed' | gzip -n >"$site/app.js.gz"
printf 'other' >"$work/other/a.txt"
touch -d '1 minute ago' "$site"/* # their tags are strong

want=$(sha256sum <"$site/large.bin")
start_herzd --files "/site/=$site" --files "/other=$work/other"
has "the block names them" "$(cat "$work/out")" "files +/site/ +$site"
for s in $schemes h3; do
  [ "$s" = h3 ] && base=h3://127.0.0.1:$(quic_port) || base=$(url "$s" "")
  eq "$s: a file" 'main {}' "$("$herz" req "$base/site/style.css" 2>&1)"
  eq "$s: a large one" "$want" "$("$herz" req "$base/site/large.bin" 2>&1 | sha256sum)"
  eq "$s: the demo is there too" '{"id":"1"}' "$("$herz" req "$base/users/1" 2>&1)"
done
head=$("$herz" req -i "$(url http /site/style.css)" 2>&1)
has "type" "$head" 'content-type: text/css'
has "nosniff" "$head" 'x-content-type-options: nosniff'
if grep -q cache-control <<<"$head"; then bad "cache-control without being asked for"; else ok; fi
tag=$(sed -n 's/^etag: //p' <<<"$head")
status() { "$herz" req -o /dev/null -w '%{status}' "${@:2}" "$(url http "$1")" 2>&1; }
eq "not changed" 304 "$(status /site/style.css -H "if-none-match: $tag")"
eq "a part" 'in {' "$("$herz" req -H 'range: bytes=2-5' "$(url http /site/style.css)" 2>&1)"
eq "a folder's index" '<p>sub' "$("$herz" req "$(url tcp /site/sub/)" 2>&1)"
eq "a folder without its slash" 301 "$(status /site/sub)"
has "the directory without its slash" "$("$herz" req -i "$(url http /site)" 2>&1)" 'location: /site/$'
eq "the other directory" other "$("$herz" req "$(url tcp /other/a.txt)" 2>&1)"
for path in /site/nope /site/out /site/.git/config /other/ /other/style.css; do
  eq "$path" 404 "$(status $path)"
done
for path in /site/../secret /site/%2e%2e/secret /site/..%2fsecret; do
  eq "$path" 400 "$(status $path)"
done
eq "no variants unless told" js "$("$herz" req -H 'accept-encoding: gzip' "$(url http /site/app.js)" 2>&1)"
eq "POST" 405 "$(status /site/style.css -d x)"
stop_herzd

# alone, at the root, with keys
HERZD_MODE='' start_herzd --files "$site" --set files.cache_control=no-cache --set files.precompressed=true \
  --set files.hidden=true --set files.index=style.css
eq "the root" 'main {}' "$("$herz" req "$(url quic /)" 2>&1)"
eq "no demo" 404 "$(status /users/1)"
has "cache-control" "$("$herz" req -i "$(url http /style.css)" 2>&1)" 'cache-control: no-cache'
eq "a variant" 'js, compressed' "$("$herz" req -H 'accept-encoding: gzip' "$(url http /app.js)" 2>/dev/null | gunzip)"
eq "hidden files" hidden "$("$herz" req "$(url tcp /.git/config)" 2>&1)"
has "calls are logged" "$(cat "$work/log")" 'path=/style.css'
kill -HUP "$pid"
eq "after SIGHUP" 'main {}' "$("$herz" req "$(url tcp /style.css)" 2>&1)"
stop_herzd

# what does not do
remedy='give \[PATH=\]DIR'
exits "not there" 2 "--files /x=/nope: /nope: No such file or directory; $remedy" "$herzd" --files /x=/nope
exits "no directory" 2 "--files $work/secret: .*Not a directory; $remedy" "$herzd" --dev --files "$work/secret"
exits "no path" 2 "--files static=$site: static does not begin with /; $remedy" "$herzd" --files "static=$site"
exits "a pattern" 2 'one of : \* \? # %' "$herzd" --files "/:x=$site"
exits "nothing" 2 "--files : .*$remedy" "$herzd" --files ''
exits "twice the same" 2 "--files /a/=$site: " "$herzd" --files "/a=$site" --files "/a/=$site"
exits "check" 0 '' "$herzd" check --files "/a=$site"
exits "check finds it" 2 "/nope: No such" "$herzd" check --files /a=/nope
exits "dump" 0 '' "$herzd" config dump --set files.index=a.html
has "the keys" "$(cat "$work/exits.out")" '^files\.index=a\.html'
finish
