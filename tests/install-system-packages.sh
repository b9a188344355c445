#!/bin/sh
# Installs the programs of tests/system-packages.txt that are missing, where this machine lets us; never fails.
list="$(dirname "$0")/system-packages.txt"
missing=""
for package in $(cat "$list"); do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing for the tests:$missing"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing; } >/tmp/policyengine-apt.log 2>&1 \
    || echo "could not install$missing (see /tmp/policyengine-apt.log); tests that need them will skip"
else
  echo "not installed here:$missing; tests that need them will skip"
fi
exit 0
