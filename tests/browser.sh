#!/usr/bin/env bash
# Makes sure that there is a browser for the tests: the one that is there, else the package chromium.
set -euo pipefail

browser() {
  local name
  for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" && return
  done
  return 1
}

root=()
[ "$(id -u)" = 0 ] || root=(sudo)
if ! browser && command -v apt-get && { [ "${#root[@]}" = 0 ] || command -v sudo; }; then
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium
fi >&2
browser >/dev/null || {
  echo "No Chromium is found: install chromium, or set CHROMIUM to the path of a browser that is one." >&2
  exit 1
}
