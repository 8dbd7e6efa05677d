#!/usr/bin/env bash
# The browser of the browser tests: an installed Chromium or Chrome, else Debian's package where we may install it.
set -eu
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
  exit 0
fi
echo "The browser tests need Chromium and none was found. Install it (Debian: sudo apt-get install chromium)," >&2
echo "or run 'make test-fast', which needs no browser." >&2
exit 1
