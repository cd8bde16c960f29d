/**
 * Settings of the whole machine (`/proc/sys/fs`): what they change. In a machine of one's own only, such as the guest of
 * `test/guest.sh`, since all others would feel it.
 */
import { existsSync } from "node:fs"
import { CLONE, O, PR, S } from "../../src/native/constants.ts"
import type { Scenario } from "../support/parityLines.ts"
import {
  become,
  chmod,
  chown,
  fork,
  line,
  mkdir,
  mknod,
  open,
  prctl,
  readFile,
  symlink,
  touch,
  write
} from "../support/vocabulary.ts"

const isOwnMachine = existsSync("/mnt/runfx-guest/boot")

const setting = (name: string, value: string): Scenario => write(`/proc/sys/fs/${name}`, value)
const marks: Scenario = [prctl(PR.GET_DUMPABLE), prctl(PR.GET_PDEATHSIG)]

const scenarios: Readonly<Record<string, Scenario>> = {
  "suid_dumpable says what becomes of a process whose credentials change": ["0", "1", "2"].flatMap((value) => [
    ...setting("suid_dumpable", value),
    fork(0, [line("setresuid", { ruid: 1000, euid: 1000, suid: 1000 }), ...marks]),
    fork(CLONE.NEWUSER, marks),
    ...setting("suid_dumpable", "0")
  ]),
  "protected_symlinks keeps links in sticky directories to their owners": [
    mkdir("s"),
    chmod("s", 0o1777),
    mkdir("s/d"),
    touch("s/d/f"),
    symlink("d", "s/l"),
    symlink("d/f", "s/m"),
    ...["0", "1"].flatMap((value) => [
      ...setting("protected_symlinks", value),
      ...[0, 1000].map((owner) => chown("s", owner, owner)),
      ...[0, 1000, 2000].map((id) =>
        fork(0, [
          ...id === 0 ? [] : become(id),
          open("s/l", O.RDONLY),
          open("s/l/f", O.RDONLY),
          open("s/l/", O.RDONLY),
          open("s/m", O.RDONLY),
          open("s/l", O.PATH | O.NOFOLLOW),
          line("openat2", { dirfd: -100, path: "s/m", flags: O.RDONLY, mode: 0, resolve: 4 })
        ])
      )
    ]),
    ...setting("protected_symlinks", "0")
  ],
  "protected_fifos and protected_regular keep what is not new in sticky directories": [
    mkdir("s"),
    mkdir("g"),
    ...["s", "g"].flatMap((path) => [
      mknod(`${path}/p`, S.IFIFO | 0o666),
      touch(`${path}/f`),
      chmod(`${path}/f`, 0o666),
      chmod(`${path}/p`, 0o666)
    ]),
    chmod("s", 0o1777),
    chmod("g", 0o1770),
    chown("g", 1000, 2000),
    chown("s", 1000, 2000),
    ...["0", "1", "2"].flatMap((value) => [
      ...setting("protected_fifos", value),
      ...setting("protected_regular", value),
      ...[1000, 2000].map((id) =>
        fork(0, [
          ...become(id),
          ...["s/p", "s/f", "g/p", "g/f"].flatMap((path) => [open(path, O.RDWR | O.CREAT), open(path, O.RDWR)])
        ])
      )
    ]),
    ...setting("protected_fifos", "0"),
    ...setting("protected_regular", "0")
  ],
  "settings take numbers within their range": [
    "suid_dumpable",
    "protected_symlinks",
    "protected_hardlinks",
    "protected_fifos",
    "protected_regular"
  ].flatMap((name) => [
    ...["1", "3", "-1", "2", "1", "0x1", "0"].flatMap((
      value
    ) => [...setting(name, value), ...readFile(`/proc/sys/fs/${name}`)]),
    fork(0, [...become(1000), open(`/proc/sys/fs/${name}`, O.RDONLY), open(`/proc/sys/fs/${name}`, O.WRONLY)])
  ])
}

/** Empty elsewhere. */
export const settings: Readonly<Record<string, Scenario>> = isOwnMachine ? scenarios : {}
