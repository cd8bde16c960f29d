#!/bin/sh
# Runs a command in a mount namespace of its own from which the cgroup2 hierarchy of a host that has it beside v1 is taken
# away: crun refuses such a host.
exec unshare --mount --propagation private sh -c '
  set -e
  for path in $(awk "/ - cgroup2 /{ print \$5 }" /proc/self/mountinfo); do umount "$path"; done
  exec "$@"' in-cgroup-v1 "$@"
