#!/bin/sh
# Runs a command in a mount namespace of its own that looks like a usual host:
# - /run, where all keep what they know of their containers, is a tmpfs. On ext4 a file takes longer to make the more were
#   removed in the last seconds, which would be measured in place of the runtimes.
# - the cgroup2 hierarchy of a host that has it beside v1 is taken away: crun refuses such a host.
exec unshare --mount --propagation private sh -c '
  set -e
  [ "$(stat --file-system --format %T /run)" = tmpfs ] || mount -t tmpfs -o mode=755 tmpfs /run
  if grep -q " - cgroup " /proc/self/mountinfo; then
    for path in $(awk "/ - cgroup2 /{ print \$5 }" /proc/self/mountinfo); do umount "$path"; done
  fi
  exec "$@"' usual-host "$@"
