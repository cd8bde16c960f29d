#!/bin/bash
# test/guest.sh COMMAND [ARG…]: runs a command as root in a small Linux guest, and exits with its status.
#
# The guest is a host of the kind that most users have: a pure cgroup v2 hierarchy with all controllers, all capabilities,
# Debian's kernel. It sees this machine's files read-only, with writes that are thrown away, and starts in the current
# directory. No network. It is emulated: some 30 times slower. What it needs it installs with apt; 125 says that it could not,
# 124 that the command did not end in time.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
# in namespaces of its own: whatever ends it, its processes, its mount and its files end too
if [ -z "${GUEST_ALONE:-}" ]; then
  GUEST_ALONE=yes exec unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@"
fi
unset GUEST_ALONE
limit=${GUEST_SECONDS:-400}
cache=${GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/runfx-guest}
mkdir -p "$cache"
give_up() { echo "guest: $1" >&2; exit "${2:-125}"; }

packages=(qemu-system-x86 cpio kmod tini busybox-static)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$cache/apt.log" 2>&1 || give_up "apt can't install ${missing[*]} (see $cache/apt.log)"
fi
virtiofsd=$(command -v /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd | head -n 1) || give_up "there is no virtiofsd"

if [ ! -f "$cache/guest-initrd.gz" ] || [ ! -f "$cache/vmlinuz" ]; then
  image=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
  [ -n "$image" ] || { apt-get update >"$cache/apt.log" 2>&1; image=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ {print $2; exit}'); }
  version=${image#linux-image-}
  (cd "$cache" && rm -rf kernel && apt-get download "$image" >apt.log 2>&1 && dpkg -x "$image"_*.deb kernel &&
    depmod -b kernel "$version" && rm -f "$image"_*.deb) || give_up "there is no kernel to be had (see $cache/apt.log)"
  root=$cache/initrd
  rm -rf "$root" && mkdir -p "$root"/{bin,proc,sys,dev,lower,upper,root,modules}
  cp /bin/busybox "$root/bin/"
  number=10
  for module in virtio_pci fuse virtiofs overlay; do
    modprobe -d "$cache/kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
  done | awk '!seen[$0]++' | while read -r file; do cp "$file" "$root/modules/$((number++))-$(basename "$file")"; done
  cat >"$root/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for module in /modules/*; do $b insmod $module || echo "guest: insmod $module failed"; done
$b mount -t virtiofs -o ro hostroot /lower && $b mount -t tmpfs -o size=3g tmpfs /upper && $b mkdir /upper/u /upper/w
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/u,workdir=/upper/w overlay /root || echo "guest: no root"
$b mount -t tmpfs -o mode=755 tmpfs /root/run
for point in proc sys dev; do $b mount --move /$point /root/$point; done
exec $b switch_root /root /bin/bash /mnt/runfx-guest/boot
INIT
  chmod +x "$root/init"
  (cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip >"$cache/initrd.tmp") && mv "$cache/initrd.tmp" "$cache/guest-initrd.gz"
  cp "$cache"/kernel/boot/vmlinuz-* "$cache/vmlinuz"
fi

mount -t tmpfs tmpfs /mnt
job=/mnt/runfx-guest
mkdir "$job"
{ printf 'cd %q || exit 126\nexec' "$PWD"; printf ' %q' "$@"; echo; } >"$job/command"
cat >"$job/boot" <<BOOT
export PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
BOOT
cat >>"$job/boot" <<'BOOT'
ln -sf /proc/self/fd /dev/fd
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts; mount -t tmpfs shm /dev/shm; mount -t mqueue mq /dev/mqueue
# not on /tmp, where this project may be
mount -t tmpfs -o mode=1777,size=2g tmpfs /var/tmp; export TMPDIR=/var/tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup; mkdir -p /sys/fs/cgroup/init
for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null; done
for name in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$name" >/sys/fs/cgroup/cgroup.subtree_control; done
ip link set lo up 2>/dev/null; hostname guest
echo; echo "GUEST-BEGIN"
# through cat: what writes to a console would draw on it
tini -s -- bash /mnt/runfx-guest/command </dev/null 2>&1 | cat
status=${PIPESTATUS[0]}; echo; echo "GUEST-END $status"
sync; echo o >/proc/sysrq-trigger; sleep 5
BOOT

"$virtiofsd" --socket-path="$job/vfs.sock" -o source=/ -o sandbox=chroot -o cache=always --rlimit-nofile=0 \
  >"$cache/virtiofsd.log" 2>&1 &
daemon=$!
for _ in $(seq 50); do [ -S "$job/vfs.sock" ] && break; sleep 0.1; done
timeout "$limit" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -smp 2 -m 4096 -nographic -no-reboot -nodefaults \
  -serial stdio -object memory-backend-memfd,id=mem,size=4096M,share=on -numa node,memdev=mem \
  -chardev "socket,id=c0,path=$job/vfs.sock" -device vhost-user-fs-pci,chardev=c0,tag=hostroot \
  -kernel "$cache/vmlinuz" -initrd "$cache/guest-initrd.gz" -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all" \
  </dev/null 2>"$cache/qemu.log" |
  tr -d '\r' | tee "$cache/console.log" | sed -n '/^GUEST-BEGIN/,/^GUEST-END/{/^GUEST-/!p}' || true
kill "$daemon" 2>/dev/null || true
wait "$daemon" 2>/dev/null || true
status=$(sed -n 's/^GUEST-END \([0-9]*\)$/\1/p' "$cache/console.log" | tail -n 1)
[ -n "$status" ] || give_up "the command did not end within $limit s (see $cache/console.log)" 124
exit "$status"
