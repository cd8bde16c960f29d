/** Seccomp filters and eBPF programs. */
import * as c from "../constants.ts"
import { invalid, Refused } from "../Refused.ts"
import { bpf_attr_attach, bpf_attr_load, sock_fprog } from "./structs.ts"
import { explained, type Handlers, type Syscalls } from "./Syscalls.ts"

/** Bytes of one instruction, of either kind. */
const instructionSize = 8
/** Enough for the verifier's log of a program of some hundred instructions. */
const verifierLogSize = 0x40000
/** How much of its end is kept: the reason comes last. */
const verifierLogKept = 2000

const countOf = (program: Uint8Array, most: number): number => {
  const count = program.length / instructionSize
  if (!Number.isInteger(count) || count === 0 || count > most) {
    throw invalid(
      `a program is 1 to ${most} instructions of ${instructionSize} bytes; this one has ${program.length} bytes`
    )
  }
  return count
}

/** The handlers of the calls about seccomp filters and eBPF programs. */
export const filters = ({ call, memory, numbers }: Syscalls) => {
  const load = (
    instructions: Uint8Array,
    license: string,
    log?: { readonly address: number; readonly size: number }
  ) => {
    const attr = memory.zeroed(bpf_attr_load.size)
    const fields = bpf_attr_load.fields
    attr.set(fields.prog_type, c.BPF_PROG_TYPE.CGROUP_DEVICE)
    attr.set(fields.insn_cnt, countOf(instructions, 1_000_000))
    attr.set(fields.insns, memory.bytes(instructions))
    attr.set(fields.license, memory.text(license))
    if (log !== undefined) {
      attr.set(fields.log_level, 1)
      attr.set(fields.log_size, log.size)
      attr.set(fields.log_buf, log.address)
    }
    return call(numbers.bpf, c.BPF_CMD.PROG_LOAD, attr.address, attr.size)
  }

  return {
    seccomp: ({ operation, flags, program }) => {
      // this operation takes one action; the filter's takes a program
      if (operation === c.SECCOMP.GET_ACTION_AVAIL) {
        return call(numbers.seccomp, operation, flags, memory.bytes(program))
      }
      const filter = memory.zeroed(sock_fprog.size)
      filter.set(sock_fprog.fields.len, countOf(program, 4096))
      filter.set(sock_fprog.fields.filter, memory.bytes(program))
      return call(numbers.seccomp, operation, flags, filter.address)
    },
    bpf_prog_load: ({ instructions, license }) =>
      explained(() => load(instructions, license), () => {
        // try again with a log; a log each time would cost too much
        const log = memory.zeroed(verifierLogSize)
        try {
          call(numbers.close, load(instructions, license, log))
          return undefined
        } catch (cause) {
          if (!(cause instanceof Refused)) throw cause
          return log.textUntilNul(0, log.size).trim().slice(-verifierLogKept) || undefined
        }
      }),
    bpf_prog_attach: ({ targetFd, programFd, flags }) => {
      const attr = memory.zeroed(bpf_attr_attach.size)
      attr.set(bpf_attr_attach.fields.target_fd, targetFd)
      attr.set(bpf_attr_attach.fields.attach_bpf_fd, programFd)
      attr.set(bpf_attr_attach.fields.attach_type, c.BPF_CGROUP.DEVICE)
      attr.set(bpf_attr_attach.fields.attach_flags, flags)
      call(numbers.bpf, c.BPF_CMD.PROG_ATTACH, attr.address, attr.size)
    }
  } satisfies Partial<Handlers>
}
