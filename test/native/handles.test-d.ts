/** Numbers that must not be mistaken for one another: what the compiler refuses. */
import * as Effect from "effect/Effect"
import type * as Container from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import type { Fd, Gid, Pid, Pidfd, Uid } from "../../src/native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../src/native/Kernel.ts"
import type { Stat } from "../../src/native/results.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"

const options = { id: "web", container: defaultSpec({ rootfs: "/srv", args: ["/bin/a"] }) }

declare const handles: { readonly fd: Fd; readonly pidfd: Pidfd; readonly pid: Pid }
export const taken = [
  sys.close({ fd: handles.fd }),
  // a descriptor of a process is closed as any other one
  sys.close({ fd: handles.pidfd }),
  sys.pidfd_send_signal({ pidfd: handles.pidfd, signal: 9 }),
  sys.kill({ pid: handles.pid, signal: 0 }),
  // a number that was written down, or read from a file, is taken for what it is said to be
  sys.close({ fd: 3 }),
  sys.kill({ pid: Number("7"), signal: 0 })
]
export const opened: Effect.Effect<Fd, SyscallError, Kernel> = sys.dup({ fd: 0 })
// @ts-expect-error a process id is no descriptor
sys.close({ fd: handles.pid })
// @ts-expect-error a descriptor is no process id
sys.kill({ pid: handles.fd, signal: 9 })
// @ts-expect-error a descriptor of a process is no process id
sys.kill({ pid: handles.pidfd, signal: 9 })
// @ts-expect-error a descriptor of a file is none of a process
sys.pidfd_send_signal({ pidfd: handles.fd, signal: 9 })
// @ts-expect-error what runs has both
Runtime.run(options, ({ pid }) => Effect.orDie(sys.close({ fd: pid })))

// ids of users and groups: what a call returns is one or the other, and a plain number is taken for what it is said to be
export const owners = {
  chown: (stat: Stat) => sys.fchownat({ dirfd: 3, path: "", uid: stat.uid, gid: stat.gid, flags: 0 }),
  become: sys.setresuid({ ruid: -1, euid: 1000, suid: -1 }),
  back: Effect.flatMap(sys.getresgid({}), ({ saved }) => sys.setresgid({ rgid: -1, egid: saved, sgid: -1 })),
  container: (uid: Uid, gid: Gid): Container.User => ({ _tag: "Ids", uid, gid, additionalGids: [gid, 100] }),
  // @ts-expect-error the group of a file is no user
  swapped: (stat: Stat) => sys.fchownat({ dirfd: 3, path: "", uid: stat.gid, gid: 0, flags: 0 }),
  // @ts-expect-error a user's id is none of a group
  groups: Effect.flatMap(sys.getresuid({}), ({ real }) => sys.setgroups({ groups: [real] })),
  // @ts-expect-error a process id is no user
  process: Effect.flatMap(sys.getpid({}), (pid) => sys.setresuid({ ruid: pid, euid: 0, suid: 0 })),
  // @ts-expect-error they are swapped
  user: (uid: Uid, gid: Gid): Container.User => ({ _tag: "Ids", uid: gid, gid: uid, additionalGids: [] })
}
