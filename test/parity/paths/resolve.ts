/** Resolution as openat2(2) limits it. */
import { O, RESOLVE } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { line, mkdir, mount, open, openIn, stat, symlink, touch } from "../../support/vocabulary.ts"
import { openat2 } from "./lines.ts"

export const resolve: Readonly<Record<string, Scenario>> = {
  // ── openat2(2) ─────────────────────────────────────────────────────────────────────────────────────────────────────
  "RESOLVE_NO_XDEV: into a mount, out of it, and within it": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", 0),
    mkdir("m/d"),
    mkdir("e"),
    symlink("../e", "m/out"),
    symlink("m", "in"),
    symlink("/mnt/e", "m/absolute"),
    openat2("m", O.PATH, RESOLVE.NO_XDEV),
    openat2("in", O.PATH, RESOLVE.NO_XDEV),
    openat2("in", O.PATH | O.NOFOLLOW, RESOLVE.NO_XDEV),
    openat2("e", O.PATH, RESOLVE.NO_XDEV),
    openat2("m/..", O.PATH, RESOLVE.NO_XDEV),
    openat2("..", O.PATH, RESOLVE.NO_XDEV),
    openat2("/mnt/e", O.PATH, RESOLVE.NO_XDEV),
    openat2("/", O.PATH, RESOLVE.NO_XDEV),
    openat2("/tmp", O.PATH, RESOLVE.NO_XDEV),
    open("m", O.PATH, "m"),
    openIn("$m", "d", RESOLVE.NO_XDEV),
    openIn("$m", "d/..", RESOLVE.NO_XDEV),
    openIn("$m", "..", RESOLVE.NO_XDEV),
    openIn("$m", "out", RESOLVE.NO_XDEV),
    openIn("$m", "absolute", RESOLVE.NO_XDEV),
    openIn("$m", "/", RESOLVE.NO_XDEV),
    openIn("$m", "/", RESOLVE.NO_XDEV | RESOLVE.IN_ROOT),
    openIn("$m", "..", RESOLVE.NO_XDEV | RESOLVE.IN_ROOT)
  ],
  "RESOLVE_NO_XDEV: where something lies on the way up": [
    mkdir("d"),
    mkdir("d/e"),
    open("d/e", O.PATH, "e"),
    mount("tmpfs", "d", "tmpfs", 0),
    openIn("$e", "..", 0),
    openIn("$e", "..", RESOLVE.NO_XDEV),
    openIn("$e", "../..", 0),
    openIn("$e", "../..", RESOLVE.NO_XDEV),
    openIn("$e", "../e", 0)
  ],
  "RESOLVE_NO_XDEV: links of /proc lead where they stand, or not": [
    open("/proc", O.PATH, "proc"),
    openIn("$proc", "self", RESOLVE.NO_XDEV),
    openIn("$proc", "self/cwd", RESOLVE.NO_XDEV),
    openIn("$proc", "self/root", RESOLVE.NO_XDEV),
    openIn("$proc", "self/ns/uts", RESOLVE.NO_XDEV),
    openIn("$proc", "mounts", RESOLVE.NO_XDEV),
    open("/proc/self", O.PATH, "self"),
    openIn("$proc", "self/fd/$proc", RESOLVE.NO_XDEV),
    openIn("$proc", "self/fd/$proc/version", RESOLVE.NO_XDEV)
  ],
  "RESOLVE_NO_MAGICLINKS: links that are text are followed, others not": [
    touch("f"),
    symlink("f", "l"),
    symlink("/proc/self/cwd", "m"),
    open("f", O.RDONLY, "f"),
    ...[
      "l",
      "m",
      "/proc/self/status",
      "/proc/self/cwd",
      "/proc/self/cwd/f",
      "/proc/self/root",
      "/proc/self/fd/$f",
      "/proc/self/ns/user",
      "/proc/mounts"
    ].map((path) => openat2(path, O.PATH, RESOLVE.NO_MAGICLINKS)),
    openat2("/proc/self/cwd", O.PATH | O.NOFOLLOW, RESOLVE.NO_MAGICLINKS)
  ],
  "RESOLVE_NO_SYMLINKS: not even of text": [
    mkdir("d"),
    touch("d/f"),
    symlink("d", "l"),
    openat2("l", O.PATH, RESOLVE.NO_SYMLINKS),
    openat2("l/f", O.PATH, RESOLVE.NO_SYMLINKS),
    openat2("l", O.PATH | O.NOFOLLOW, RESOLVE.NO_SYMLINKS),
    openat2("l", O.RDONLY | O.NOFOLLOW, RESOLVE.NO_SYMLINKS),
    openat2("l/", O.PATH | O.NOFOLLOW, RESOLVE.NO_SYMLINKS),
    openat2("d/f", O.PATH, RESOLVE.NO_SYMLINKS),
    openat2("/proc/self/cwd", O.PATH, RESOLVE.NO_SYMLINKS),
    openat2("/proc/1/cwd", O.PATH, RESOLVE.NO_SYMLINKS)
  ],
  ...Object.fromEntries(
    ([["RESOLVE_BENEATH", RESOLVE.BENEATH], ["RESOLVE_IN_ROOT", RESOLVE.IN_ROOT]] as const).map(([name, how]) => [
      `${name}: dots, links and links of /proc that would leave`,
      [
        mkdir("root"),
        mkdir("root/proc"),
        mkdir("root/d"),
        mount("proc", "root/proc", "proc", 0),
        touch("root/d/f"),
        symlink("d/../../root/d/f", "root/over"),
        symlink("../../../../../../d/f", "root/d/far"),
        symlink("/d/f", "root/abs"),
        symlink("/proc/self/root", "root/magic"),
        symlink("/", "root/slash"),
        symlink("..", "root/d/up"),
        open("root", O.PATH, "root"),
        ...[
          "d/..",
          "d/../..",
          "d/../../root",
          "d/f",
          "over",
          "d/far",
          "abs",
          "magic",
          "slash",
          "slash/d/f",
          "d/up",
          "d/up/..",
          "d/up/up",
          "proc",
          "proc/..",
          "proc/../..",
          "proc/version",
          "proc/self/root",
          "proc/self/cwd",
          "proc/self/fd/0",
          "/",
          "/d",
          "/..",
          "//d/f",
          ".",
          "",
          "./.."
        ].map((path) => openIn("$root", path, how)),
        openIn("$root", "abs", how, O.RDONLY),
        openIn("$root", "new", how, O.PATH)
      ] as Scenario
    ])
  ),
  "RESOLVE_BENEATH and RESOLVE_IN_ROOT with a link in the last place that is not followed": [
    mkdir("root"),
    symlink("/etc/passwd", "root/l"),
    symlink("../x", "root/m"),
    open("root", O.PATH, "root"),
    openIn("$root", "l", RESOLVE.BENEATH, O.PATH | O.NOFOLLOW),
    openIn("$root", "m", RESOLVE.BENEATH, O.PATH | O.NOFOLLOW),
    openIn("$root", "l", RESOLVE.IN_ROOT, O.PATH | O.NOFOLLOW),
    openIn("$root", "l", RESOLVE.IN_ROOT),
    openIn("$root", "m", RESOLVE.IN_ROOT),
    openIn("$root", "m", RESOLVE.BENEATH)
  ],
  "RESOLVE_IN_ROOT makes files inside too": [
    mkdir("root"),
    mkdir("root/tmp"),
    symlink("/tmp/x", "root/l"),
    open("root", O.PATH, "root"),
    line("openat2", { dirfd: "$root", path: "l", flags: O.CREAT | O.WRONLY, mode: 0o600, resolve: RESOLVE.IN_ROOT }),
    stat("root/tmp/x", "mode"),
    line("openat2", { dirfd: "$root", path: "../y", flags: O.CREAT | O.WRONLY, mode: 0o600, resolve: RESOLVE.IN_ROOT }),
    stat("root/y", "mode"),
    line("openat2", { dirfd: "$root", path: "../z", flags: O.CREAT | O.WRONLY, mode: 0o600, resolve: RESOLVE.BENEATH }),
    stat("z", "mode")
  ],
  "scoped resolution begins at a directory": [
    touch("f"),
    open("f", O.PATH, "f"),
    openIn("$f", "x", RESOLVE.BENEATH),
    openIn("$f", ".", RESOLVE.IN_ROOT),
    openIn("$f", "/", RESOLVE.IN_ROOT),
    line("openat2", { dirfd: 400, path: "/", flags: O.PATH, mode: 0, resolve: RESOLVE.IN_ROOT }),
    line("openat2", { dirfd: 400, path: "/", flags: O.PATH, mode: 0, resolve: RESOLVE.BENEATH }),
    line("openat2", { dirfd: 400, path: "/", flags: O.PATH, mode: 0, resolve: 0 })
  ],
  "RESOLVE_CACHED makes nothing": [
    openat2("f", O.CREAT | O.WRONLY, RESOLVE.CACHED, 0o600),
    openat2(".", O.TMPFILE | O.RDWR, RESOLVE.CACHED, 0o600),
    touch("f"),
    openat2("f", O.WRONLY | O.TRUNC, RESOLVE.CACHED)
  ]
}
