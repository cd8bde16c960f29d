/** Terminals. @see ioctl_tty(2), termios(3) */
import * as c from "../constants.ts"
import { invalid } from "../Refused.ts"
import { termios, winsize } from "./structs.ts"
import type { Handlers, Syscalls } from "./Syscalls.ts"

/** The handlers of ioctl(2), most of whose requests are about terminals. */
export const terminals = ({ call, memory, numbers }: Syscalls) => {
  return {
    ioctl: ({ fd, request, argument }) => call(numbers.ioctl, fd, request, argument),
    ioctl_gptn: ({ fd }) => {
      const number = memory.zeroed(4)
      call(numbers.ioctl, fd, c.TIOC.GPTN, number.address)
      return number.u32(0)
    },
    ioctl_sptlck: ({ fd, locked }) => void call(numbers.ioctl, fd, c.TIOC.SPTLCK, memory.ints([locked])),
    ioctl_gwinsz: ({ fd }) => {
      const size = memory.zeroed(winsize.size)
      call(numbers.ioctl, fd, c.TIOC.GWINSZ, size.address)
      return { rows: size.get(winsize.fields.ws_row), columns: size.get(winsize.fields.ws_col) }
    },
    ioctl_swinsz: ({ fd, rows, columns }) => {
      const size = memory.zeroed(winsize.size)
      size.set(winsize.fields.ws_row, rows)
      size.set(winsize.fields.ws_col, columns)
      call(numbers.ioctl, fd, c.TIOC.SWINSZ, size.address)
    },
    ioctl_tcgets: ({ fd }) => {
      const modes = memory.zeroed(termios.size)
      call(numbers.ioctl, fd, c.TC.GETS, modes.address)
      const { c_cc, c_cflag, c_iflag, c_lflag, c_line, c_oflag } = termios.fields
      return {
        input: modes.get(c_iflag),
        output: modes.get(c_oflag),
        control: modes.get(c_cflag),
        local: modes.get(c_lflag),
        line: modes.get(c_line),
        characters: modes.copy(c_cc.at, c_cc.at + c_cc.size)
      }
    },
    ioctl_tcsetsw: ({ fd, modes: { characters, control, input, line, local, output } }) => {
      const { c_cc, c_cflag, c_iflag, c_lflag, c_line, c_oflag } = termios.fields
      if (characters.length !== c_cc.size) throw invalid(`a terminal has ${c_cc.size} special characters`)
      const modes = memory.zeroed(termios.size)
      modes.set(c_iflag, input)
      modes.set(c_oflag, output)
      modes.set(c_cflag, control)
      modes.set(c_lflag, local)
      modes.set(c_line, line)
      modes.setBytes(c_cc.at, characters)
      call(numbers.ioctl, fd, c.TC.SETSW, modes.address)
    }
  } satisfies Partial<Handlers>
}
