/** Namespaces and the names of the host. */
import { type Extent, new_utsname } from "./structs.ts"
import { type Handlers, type Syscalls } from "./Syscalls.ts"

/** The handlers of the calls about namespaces and the names of the host. */
export const namespaces = ({ call, memory, numbers }: Syscalls) => {
  const setName = (number: number, name: string): void => {
    const block = memory.block(name.length * 3 + 1)
    const length = block.setText(0, name)
    call(number, block.address, length)
  }
  return {
    unshare: ({ flags }) => void call(numbers.unshare, flags),
    setns: ({ fd, nstype }) => void call(numbers.setns, fd, nstype),
    sethostname: ({ name }) => setName(numbers.sethostname, name),
    setdomainname: ({ name }) => setName(numbers.setdomainname, name),
    uname: () => {
      const names = memory.block(new_utsname.size)
      call(numbers.uname, names.address)
      const text = ({ at, size }: Extent): string => names.textUntilNul(at, at + size)
      const { nodename, release, machine, domainname } = new_utsname.fields
      return { nodename: text(nodename), release: text(release), machine: text(machine), domainname: text(domainname) }
    }
  } satisfies Partial<Handlers>
}
